"""Conditions on the values of trials and runs, such as "d.lr < 1e-3 and coverage > 0.8": one language for `--where`, `--failed` and `failure`."""
