"""Trackers: mirror a study to Weights & Biases and to an Optuna storage."""
