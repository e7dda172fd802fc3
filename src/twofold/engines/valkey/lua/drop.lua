-- Drops the table at KEYS[1], if there is one, with all that belongs to it.
drop(VERSION)
