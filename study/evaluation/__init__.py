"""How samples are scored."""
