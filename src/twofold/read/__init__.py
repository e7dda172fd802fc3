"""The query side: events are projected into read models ahead of time, queries are answered from them."""
