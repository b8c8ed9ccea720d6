"""Benchmarks against named libraries. They print results; no test depends on them."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # set before torch is imported; else its profiler logs a line per start
