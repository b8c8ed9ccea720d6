"""GAN training as trials: data, networks, losses, tricks and the loop. Independent of studies, metrics and (outside tune.py) Ray.

Importing any module of this package registers all entries of its tables.
"""

from trainables import data, losses, models, optimisers, run, tricks, updates

__all__ = ["data", "losses", "models", "optimisers", "run", "tricks", "updates"]
