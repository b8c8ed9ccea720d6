"""What a study asks: the study file, its space and its design."""
