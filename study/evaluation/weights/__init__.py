"""Shipped classifiers, whose features are the evaluation protocol of a data set, and the command that makes them."""
