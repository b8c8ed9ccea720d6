"""All tricks, by name. Their order here is the order in which they act."""

from trainables.tricks import views, labels, minibatch, constraints, penalties, averages  # noqa: F401, I001  (imported to register, in this order)
from trainables.tricks.base import TRICKS as TRICKS
