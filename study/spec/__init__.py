"""The study file: its sections, its space and its design."""
