"""The table of update rules, by name: in which order and by which gradients D and G are updated."""

from trainables.updates import alternating, simultaneous, optimistic, extragradient, lookahead, unrolled  # noqa: F401, I001  (imported to register)
from trainables.updates.base import UPDATES as UPDATES
