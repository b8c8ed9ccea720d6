"""Evaluates samples of generators: evaluator, evaluation protocol, features, classifiers, re-evaluation."""
