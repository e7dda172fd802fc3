"""The measurements on PostgreSQL."""
