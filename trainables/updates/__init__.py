"""All update rules, by name: how D and G move, given their gradients."""

from trainables.updates import alternating, simultaneous, optimistic, extragradient, lookahead, unrolled  # noqa: F401, I001  (imported to register)
from trainables.updates.base import UPDATES as UPDATES
