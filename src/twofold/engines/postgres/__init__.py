"""The PostgreSQL engine: a history and read models on one database, for any number of nodes."""
