"""Benchmarks against named libraries. They print results. Tests run short versions of the simulations."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # set before torch is imported; else its profiler logs a line per start
