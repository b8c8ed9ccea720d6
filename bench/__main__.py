"""`python -m bench [training] [study] [metrics]`: benchmarks, all by default. Absolute times are this machine's; ratios compare two sides that ran in turns."""

import sys
import time
import warnings

from rich.console import Console

from bench import memory, metrics, overhead, step
from bench.figures import show


def main() -> None:
    warnings.filterwarnings("ignore")  # the peers' own
    asked = sys.argv[1:] or ["training", "study", "metrics"]
    console, start = Console(), time.monotonic()
    if "training" in asked:
        show("Training, 32 × 32 DCGAN, batch 64, one thread", step.figures(), console)
    if "study" in asked:
        with overhead.one_ray():
            show("Memory of a worker on Fashion-MNIST", memory.figures(), console)
            show("A trial beyond its training", overhead.figures(), console)
    if "metrics" in asked:
        show("Metrics, beside their references", metrics.figures(), console)
    console.print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
