"""`python -m bench.gpu [PART ...] [--deterministic] [--out FILE]`: what one GPU gives, as one line of JSON for each measurement.

Needs only what the training needs, no network and no test tools. Without parts: all but the last four, which compare with ways that were left out.
By what its parts took on an H200, that is about nine minutes, six of them for the studies.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from bench.gpu import entries, evaluation, fused, peers, processes, speed, studies, ticks
from trainables.precision import be_deterministic

PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "entries": entries.rows,
    "refused": lambda: iter([entries.refused()]),
    "memory": entries.memory,
    "alone": speed.alone,
    "lanes": lambda: speed.lanes(("mlp, 2-D, batch 256", "dcgan 28", "dcgan 32, r1")),
    "formats": lambda: speed.formats(("dcgan 32", "dcgan 64, batch 128", "resnet 32, width 128", "r3 32, r1, r2")),
    "peers": peers.rows,
    "evaluation": evaluation.rows,
    "kernels": lambda: speed.kernels(("mlp, 2-D, batch 256", "dcgan 28", "resnet 32, width 128", "r3 32, r1, r2")),
    "layouts": lambda: speed.layouts(("dcgan 32, r1", "resnet 32, width 128", "r3 32, r1, r2")),
    "studies": studies.rows,
    "ticks": ticks.rows,
    "processes": lambda: processes.rows(("mlp, 2-D, batch 256", "dcgan 28")),
    "compiled": lambda: fused.compiled(("mlp, 2-D, batch 256", "dcgan 28", "resnet 32, width 128")),
    "packs": lambda: fused.packs(("mlp, 2-D, batch 256", "dcgan 28")),
}

_LEFT_OUT = 4  # at the end of the table, run only if named


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; by default all but the last four")
    parser.add_argument(
        "--deterministic", action="store_true", help="only operations that add in a fixed order: equal runs are equal bit for bit"
    )
    parser.add_argument("--out", type=Path, help="also write the lines to this file")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench.gpu needs a GPU; torch sees none on this machine")
    warnings.filterwarnings("ignore")
    be_deterministic(given.deterministic, torch.device("cuda"))
    start = time.monotonic()
    lines: list[dict[str, Any]] = [{"gpu": torch.cuda.get_device_name(0), "torch": torch.__version__, "python": sys.version.split()[0]}]
    print(json.dumps(lines[0]), flush=True)
    for part in given.parts or [*PARTS][:-_LEFT_OUT]:
        for row in PARTS[part]():
            lines.append({"part": part, **row, "at_s": round(time.monotonic() - start, 1)})
            print(json.dumps(lines[-1]), flush=True)
            if given.out:
                given.out.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
