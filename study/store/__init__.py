"""A study's folder: its records, its lock and the names of its files."""
