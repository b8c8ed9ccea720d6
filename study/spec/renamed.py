"""Keys of study files that have another name now."""

RENAMED_KEYS = {"score": "objective", "judge": "evaluation"}  # before 0.2 -> now
