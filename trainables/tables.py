"""Registries of all entries that a config can name. Entries register themselves on import; this file imports no entry.

The module that defines an entry type annotates its table: `LOSSES: Registry[Loss] = tables.LOSSES`.
"""

from typing import Any

from ganstudy.registry import Registry

DATA: Registry[Any] = Registry("data set")
ARCHS: Registry[Any] = Registry("architecture")
LOSSES: Registry[Any] = Registry("loss")
OPTIMISERS: Registry[Any] = Registry("optimiser")
UPDATES: Registry[Any] = Registry("update rule")
TRICKS: Registry[Any] = Registry("trick")  # in the order in which they are applied
LOOPS: Registry[Any] = Registry("training loop")
G_CONDITIONS: Registry[Any] = Registry("condition of G")
D_CONDITIONS: Registry[Any] = Registry("condition of D")
