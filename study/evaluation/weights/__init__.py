"""Shipped classifiers, whose features are the ruler of a data set, and the command that makes them."""
