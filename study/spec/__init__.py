"""What is asked: the study file, its space, its design."""
