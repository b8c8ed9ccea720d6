"""All tricks, by name. Their order here is the order in which they act."""

from trainables.tricks import augment, views, labels, minibatch, constraints, penalties, generator_terms, history, rates, averages  # noqa: F401, I001  (imported to register, in this order)
from trainables.tricks.base import TRICKS as TRICKS
