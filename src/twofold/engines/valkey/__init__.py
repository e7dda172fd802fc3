"""Read models in Valkey or Redis: rows by key, for lookups by any number of nodes. Needs the extra `valkey`."""
