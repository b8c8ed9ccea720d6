"""The table of tricks, by name. Their order here is the order in which their hooks are called."""

from trainables.tricks import (  # noqa: F401, I001  (imported to register, in this order)
    augment,
    input_transforms,
    labels,
    minibatch,
    constraints,
    penalties,
    generator_terms,
    history,
    rates,
    averages,
)
from trainables.tricks.base import TRICKS as TRICKS
