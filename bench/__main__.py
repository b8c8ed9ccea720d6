"""`python -m bench`: all benchmarks, in five to seven minutes. Absolute times are this machine's; ratios compare two sides that ran in turns."""

import time
import warnings

from rich.console import Console

from bench import memory, overhead, step
from bench.figures import show


def main() -> None:
    warnings.filterwarnings("ignore")  # the peers' own
    console, start = Console(), time.monotonic()
    show("Training, 32 × 32 DCGAN, batch 64, one thread", step.figures(), console)
    with overhead.one_ray():
        show("Memory of a worker on Fashion-MNIST", memory.figures(), console)
        show("A trial beyond its training", overhead.figures(), console)
    console.print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
