"""A study's folder: records, locks, the names of its files."""
