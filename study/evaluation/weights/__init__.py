"""Shipped classifiers whose features evaluate a data set, and the command that makes them."""
