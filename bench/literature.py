"""Prints a study of variants as a table like those of papers: mean ± standard error over seeds, and the values of real data.

python -m bench.literature runs/literature_ring studies/literature/ring.csv   # reads a study's folder, writes the CSV, prints the table
python -m bench.literature studies/literature/ring.csv                        # prints the table of the CSV
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.metrics import kl, kl_baseline, nearest_centre

Floats = npt.NDArray[np.float32]

REAL = "real data"
_SAMPLES = 2500  # generated points per trial, as in VEEGAN and PacGAN
_COLUMNS = {  # column -> title, format, scale; columns that a study did not measure are left out
    "modes": ("modes", "{:.1f}", 1),
    "high_quality": ("high quality, %", "{:.1f}", 100),
    "reverse_kl": ("reverse KL", "{:.3f}", 1),
    "mode_spread": ("variance within modes", "{:.2f}", 1),
    "coverage": ("coverage", "{:.2f}", 1),
    "fd": ("Fréchet distance", "{:.1f}", 1),
    "d/real_accuracy": ("D right on real, %", "{:.0f}", 100),
    "d/fake_accuracy": ("D right on fake, %", "{:.0f}", 100),
    "images_per_second": ("images/s", "{:.0f}", 1),
}


def _trials_of(folder: Path) -> pd.DataFrame:
    """One row per finished trial, and one of real data. Columns: variant, seed, outcome and those of _COLUMNS that were measured.

    The study must have exactly one setting with variants.
    """
    from study import open_study
    from trainables.data import load

    view = open_study(folder)
    (variants,) = view.spec.space.variants
    trials = view.trials()
    trials = trials[trials["outcome"] != ""]
    trials["images_per_second"] = trials["images"] / trials["seconds"]
    real = dict(view.study.baselines)
    data = load(view.trial(trials.index[0]).config.data)
    if data.centres is not None and data.std is not None:
        samples = {name: view.trial(name).sample(_SAMPLES, seed=0).numpy() for name in trials.index}
        found = {name: published_protocol(points, data.centres, std=data.std) for name, points in samples.items()}
        trials = trials.drop(columns=["fd", "modes"]).join(pd.DataFrame.from_dict(found, orient="index"))
        real |= {"modes": len(data.centres), "high_quality": real["hq"], "reverse_kl": kl_baseline(len(data.centres), n=_SAMPLES)}
    columns = [name for name in _COLUMNS if name in trials]
    table = trials.rename(columns={variants: "variant"})[["variant", "seed", "outcome", *columns]]
    order = list(view.spec.space.variants[variants])
    table = table.sort_values(["variant", "seed"], key=lambda column: column.map(order.index) if column.name == "variant" else column)
    return pd.concat([table, pd.DataFrame([{"variant": REAL} | {name: real[name] for name in columns if name in real}])], ignore_index=True)


def published_protocol(points: Floats, centres: Floats, *, std: float) -> dict[str, float]:
    """Metrics of samples [N, D] with centres [K, D], as in Srivastava et al. 2017 (VEEGAN) and the code of Lin et al. 2018 (PacGAN).

    A sample is of high quality if it is less than 3 standard deviations from a centre. A mode counts if it has such a sample. The reverse KL
    compares the modes' shares of high-quality samples with equal shares.
    """
    nearest = nearest_centre(points, centres)
    good = np.linalg.norm(points - centres[nearest], axis=1) < 3 * std
    counts = np.bincount(nearest[good], minlength=len(centres))
    even = np.full(len(centres), 1 / len(centres))
    return {
        "modes": float((counts > 0).sum()),
        "high_quality": float(good.mean()),
        "reverse_kl": kl(counts / counts.sum(), even) if good.any() else float("nan"),
    }


def markdown(trials: pd.DataFrame) -> str:
    """The table in Markdown, one row per variant."""
    columns = {name: _COLUMNS[name] for name in _COLUMNS if name in trials}
    lines = ["| | runs | failed | " + " | ".join(title for title, _, _ in columns.values()) + " |", "|---|" + "---|" * (2 + len(columns))]
    for variant, runs in trials.groupby("variant", sort=False):
        cells = [_cell(runs[name] * scale, form) for name, (_, form, scale) in columns.items()]
        counts = ["", ""] if variant == REAL else [str(len(runs)), str((~runs["outcome"].isin(["healthy", "undertrained"])).sum())]
        lines.append(f"| {variant} | " + " | ".join([*counts, *cells]) + " |")
    return "\n".join(lines)


def _cell(values: pd.Series, form: str) -> str:
    """Mean ± standard error."""
    if values.isna().all():
        return "–"
    n = "" if values.notna().all() else f" (n = {values.count()})"  # some trials have no value, such as the KL without good samples
    return form.format(values.mean()) + (f" ± {form.format(values.sem())}" if values.count() > 1 else "") + n


def main() -> None:
    *folder, file = map(Path, sys.argv[1:])
    if folder:
        _trials_of(folder[0]).to_csv(file, index=False, float_format="%.5g")
    print(markdown(pd.read_csv(file)))


if __name__ == "__main__":
    main()
