"""Other people's runs as the fields of a TrialTable: from frames, CSV files, Optuna, Weights & Biases and Ray Tune. Imports none of these libraries."""
