"""A study shown elsewhere: Weights & Biases, an Optuna storage."""
