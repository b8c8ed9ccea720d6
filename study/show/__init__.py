"""Output for people: terminal tables, reports, run pages."""
