"""GANs as trials: data, networks, losses, tricks and the loop. Knows no study, no metric, and (outside tune.py) no Ray.

Importing any module of this package registers every entry of its tables.
"""

from trainables import data, losses, models, optimisers, run, tricks, updates

__all__ = ["data", "losses", "models", "optimisers", "run", "tricks", "updates"]
