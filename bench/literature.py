"""A study of variants as the table that papers print: mean ± standard error over seeds, the real data's score beside them.

python -m bench.literature runs/literature_ring studies/literature/ring.csv   # what is needed of a study's folder, and its table
python -m bench.literature studies/literature/ring.csv                        # the table again
"""

import sys
from pathlib import Path

import pandas as pd

REAL = "real data"
COLUMNS = {  # of a table; those that a study has not measured are left out
    "modes_seen": ("modes", "{:.1f}", 1),
    "hq": ("high quality, %", "{:.1f}", 100),
    "kl": ("reverse KL", "{:.3f}", 1),
    "mode_spread": ("variance within modes", "{:.2f}", 1),
    "coverage": ("coverage", "{:.2f}", 1),
    "fd": ("Fréchet distance", "{:.4f}", 1),
    "d/real_accuracy": ("D right on real, %", "{:.0f}", 100),
    "d/fake_accuracy": ("D right on fake, %", "{:.0f}", 100),
    "images_per_second": ("images/s", "{:.0f}", 1),
}


def trials_of(folder: Path) -> pd.DataFrame:
    """A row per finished trial of a study with one set of variants, and one of what real data score: `variant`, `seed`, `outcome` and COLUMNS."""
    from study import open_study

    view = open_study(folder)
    (variants,) = view.spec.space.variants
    trials = view.trials()
    trials = trials[trials["outcome"] != ""]
    trials["images_per_second"] = trials["images"] / trials["seconds"]
    columns = [name for name in COLUMNS if name in trials]
    table = trials.rename(columns={variants: "variant"})[["variant", "seed", "outcome", *columns]]
    order = list(view.spec.space.variants[variants])
    table = table.sort_values(["variant", "seed"], key=lambda column: column.map(order.index) if column.name == "variant" else column)
    real = {"variant": REAL, **{name: view.study.floors[name] for name in columns if name in view.study.floors}}
    return pd.concat([table, pd.DataFrame([real])], ignore_index=True)


def markdown(trials: pd.DataFrame) -> str:
    columns = {name: COLUMNS[name] for name in COLUMNS if name in trials}
    lines = ["| | runs | failed | " + " | ".join(title for title, _, _ in columns.values()) + " |", "|---|" + "---|" * (2 + len(columns))]
    for variant, runs in trials.groupby("variant", sort=False):
        cells = [cell(runs[name] * scale, form) for name, (_, form, scale) in columns.items()]
        counts = ["", ""] if variant == REAL else [str(len(runs)), str((~runs["outcome"].isin(["healthy", "undertrained"])).sum())]
        lines.append(f"| {variant} | " + " | ".join([*counts, *cells]) + " |")
    return "\n".join(lines)


def cell(values: pd.Series, form: str) -> str:
    if values.isna().all():
        return "–"
    return form.format(values.mean()) + (f" ± {form.format(values.sem())}" if values.count() > 1 else "")


def main() -> None:
    *folder, file = map(Path, sys.argv[1:])
    if folder:
        trials_of(folder[0]).to_csv(file, index=False, float_format="%.5g")
    print(markdown(pd.read_csv(file)))


if __name__ == "__main__":
    main()
