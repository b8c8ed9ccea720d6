"""`python -m bench [training] [study] [metrics]`: run benchmarks, by default all.

Absolute times depend on the machine. Ratios compare two implementations that ran alternately.
"""

import sys
import time
import warnings

from rich.console import Console

from bench import memory, metrics, overhead, step
from bench.figures import show


def main() -> None:
    warnings.filterwarnings("ignore")  # warnings of the other libraries
    chosen = sys.argv[1:] or ["training", "study", "metrics"]
    console, start = Console(), time.monotonic()
    if "training" in chosen:
        show("Training, 32 × 32 DCGAN, batch 64, one thread", step.figures(), console)
    if "study" in chosen:
        with overhead.one_ray():
            show("Memory of a worker on Fashion-MNIST", memory.figures(), console)
            show("Overhead of a trial", overhead.figures(), console)
    if "metrics" in chosen:
        show("Metrics, compared with other libraries", metrics.figures(), console)
    console.print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
