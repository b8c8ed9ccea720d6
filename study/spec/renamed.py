"""Keys of study files that were renamed."""

RENAMED_KEYS = {"score": "objective", "judge": "evaluation"}  # name before 0.2 -> current name
