"""DATA: name -> data set, with training and held-out rows.

Images are uint8 [N, C, H, W] and points float32 [N, D], C-contiguous. The split is fixed and does not depend on a trial's seed.
To add a data set, write a function DataConfig -> Source and register it; `load` applies classes and imbalance.
"""

from trainables.data import folders, idx_sets, points, stacked, torchvision_sets  # noqa: F401  (each registers its data sets)
from trainables.data.source import Array, Labels, Source
from trainables.data.subsets import split
from trainables.data.table import DATA, OWN, check, load, taken, takes

__all__ = ["DATA", "OWN", "Array", "Labels", "Source", "check", "load", "split", "taken", "takes"]
