"""Benchmarks against named peers. They print; they are no part of the tests."""
