"""How often `compare` says that an effect differs between two simulated studies, if it does and if it does not.

`python -m bench.compared` prints the figures of docs/compare.md. Both studies have four switches, a choice of four and a range; s0 lowers the
risk of failing by 30 points and s1 halves fd, in both studies or only in the first.
"""

import argparse
from dataclasses import replace

import numpy as np

from analysis import compare, explain
from bench.calibration import Cell, simulate

_EFFECTS = {("s0", "failed"): (-0.3, 0.3), ("s1", "fd"): (0.5, 2.0)}  # in the first study; the difference, if the second one has none


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--configs", type=int, default=24)
    given = parser.parse_args()
    risk, fd = (effect for effect, _ in _EFFECTS.values())
    first = Cell(name="first", configs=given.configs, seeds=2, switches=4, choices=1, ranges=1, risk_effect=risk, factor=fd)
    for name, second in (("the same effects", first), ("no effects in the second", replace(first, risk_effect=0.0, factor=1.0))):
        rng, holds, any_differs, false = np.random.default_rng(5), list[bool](), 0, 0
        found_of = dict.fromkeys(_EFFECTS, 0)
        for _ in range(given.pairs):
            found = compare(*(explain(simulate(cell, rng), ["failed", "fd"]) for cell in (first, second)))
            keys = [(each.first.setting, each.first.outcome) for each in found]
            truth = [
                _EFFECTS[key][1] if second is not first and key in _EFFECTS else each.first.no_effect
                for key, each in zip(keys, found, strict=True)
            ]
            holds += [each.low <= true <= each.high for each, true in zip(found, truth, strict=True)]
            differs = {key for key, each in zip(keys, found, strict=True) if each.differs}
            any_differs += bool(differs)
            false += bool(differs - (_EFFECTS.keys() if second is not first else set()))
            for key in _EFFECTS:
                found_of[key] += key in differs
        shares = ", ".join(f"{setting} on {outcome} {count / given.pairs:.1%}" for (setting, outcome), count in found_of.items())
        print(
            f"{given.configs} configs x 2 seeds, {name} (n = {given.pairs} pairs): any difference stated in {any_differs / given.pairs:.1%}, a false one in "
            f"{false / given.pairs:.1%}; {shares}; single intervals hold {np.mean(holds):.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
