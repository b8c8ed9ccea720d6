"""The tables of everything that a config can name. Entries register themselves when the package is imported; this file imports none of them.

A module that defines the type of an entry gives its table that type: `LOSSES: Registry[Loss] = tables.LOSSES`.
"""

from typing import Any

from ganstudy.registry import Registry

DATA: Registry[Any] = Registry("data set")
ARCHS: Registry[Any] = Registry("architecture")
LOSSES: Registry[Any] = Registry("loss")
OPTIMISERS: Registry[Any] = Registry("optimiser")
UPDATES: Registry[Any] = Registry("update rule")
TRICKS: Registry[Any] = Registry("trick")  # in the order in which they act
LOOPS: Registry[Any] = Registry("training loop")
G_CONDITIONS: Registry[Any] = Registry("condition of G")
D_CONDITIONS: Registry[Any] = Registry("condition of D")
