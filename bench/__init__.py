"""Benchmarks against named peers. They print; they are no part of the tests."""

import os

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler would write a line for each start; it is read when torch is loaded
