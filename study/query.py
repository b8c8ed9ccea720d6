"""Reading a study folder: records -> tables, best trials, generators. Works while the study runs, and needs no Ray."""

import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import Diagnosis, Direction, TrialTable, rank
from analysis.metrics import METRICS
from study.records import Saved, StudyRecord, TrialRecord
from study.store import Store
from study.verdict import diagnosis

if TYPE_CHECKING:
    from torch import Tensor

    from study.judge import Ruler
    from study.spec import StudySpec
    from trainables.config import TrialConfig
    from trainables.sampler import Sampler

log = logging.getLogger(__name__)

COST = "seconds"  # of training, a score beside what is judged
NULL = "default"  # what a level of a list is called that is null; None is left to settings that are not live


def open_study(folder: Path | str, *, trust_plugins: bool = False) -> "StudyView":
    """The study in a folder. ValueError if there is none. A study's plugins are code: they are imported only where they are trusted."""
    store = Store(Path(folder))
    if store.study is None:
        there = "holds no records" if Path(folder).is_dir() else "is not there"
        raise ValueError(f"{folder} must be the folder of a study, with records.jsonl in it; it {there}")
    return StudyView(store, store.study, trust_plugins=trust_plugins)


def named_nulls(settings: Mapping[str, Any], lists: Iterable[str]) -> dict[str, Any]:
    """Null by its name, in the settings that are listed."""
    return {name: NULL if value is None and name in lists else value for name, value in settings.items()}


class StudyView:
    """What a folder's records held when it was opened. Open it again for what came since."""

    def __init__(self, store: Store, study: StudyRecord, *, trust_plugins: bool):
        self.store, self.study, self.folder = store, study, store.folder
        self.plugins: tuple[str, ...] = tuple(study.spec["plugins"])
        self.trusted = trust_plugins or not self.plugins
        if trust_plugins:
            from study.spec import import_plugins

            import_plugins(self.plugins)

    def __repr__(self) -> str:
        return f"StudyView({str(self.folder)!r}: {len(self.store.trials)} trials of {self.study.spec['name']!r})"

    @property
    def spec(self) -> "StudySpec":
        from study.spec import StudySpec

        self._need_trust()
        return StudySpec.from_dict(self.study.spec)

    @property
    def ruler(self) -> "Ruler":
        """What the numbers were measured with; those of another ruler (another `hash`) are not to be compared with these."""
        from study.judge import Ruler

        return Ruler(**self.study.ruler)

    @property
    def score(self) -> str:
        """The metric that the study ranks by."""
        return str(self.study.spec["score"]["metric"])

    @property
    def direction(self) -> Direction:
        """Whether the study minimizes or maximizes its score."""
        return Direction(self.study.spec["score"]["direction"])

    def trials(self) -> pd.DataFrame:
        """A row per trial, by trial_id: how it ended, its outcome with its onset, its settings, what was last measured, and the diagnosis in words.

        attrs["floors"]: what real data score.
        """
        rows, ruler = [], self.ruler.hash
        for record in self.store.trials.values():
            last = record.last
            found = self.diagnosis(record)
            rows.append(
                {
                    "trial_id": record.trial_id,
                    "number": record.number,
                    "config_id": config_id(record),
                    "phase": record.phase,
                    "ruler": ruler,
                    "ended": record.closed.ended.value if record.closed else "",
                    "outcome": found.outcome,
                    "onset_kimg": found.onset_kimg,
                    "images": last.images if last else 0,
                    "seconds": last.seconds if last else 0.0,
                    "judge_seconds": last.judge_seconds if last else 0.0,
                    **self.settings(record),
                    **(last.values if last else {}),
                    "diagnosis": found.evidence,
                    "reason": record.closed.reason if record.closed else "",
                    "failures": record.failures,
                }
            )
        return self._beside_floors(pd.DataFrame(rows).set_index("trial_id") if rows else pd.DataFrame())

    def history(self) -> pd.DataFrame:
        """A row per trial and tick: images, seconds, and all that was measured. attrs["floors"]: what real data score."""
        return self._beside_floors(
            pd.DataFrame(
                {"trial_id": record.trial_id, "images": m.images, "seconds": m.seconds, "judge_seconds": m.judge_seconds, **m.values}
                for record in self.store.trials.values()
                for m in record.measurements
            )
        )

    def _beside_floors(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame.attrs = {"floors": dict(self.study.floors), "ruler": dict(self.study.ruler)}
        return frame

    def judged(self) -> dict[str, pd.DataFrame]:
        """Hash of a ruler -> what `ganstudy judge` measured by it: images and metrics by trial_id; its ruler and floors are in the frame's attrs."""
        from study.rejudge import JUDGED, read_judged

        return {path.stem: read_judged(path) for path in sorted((self.folder / JUDGED).glob("*.csv"))}

    def table(self) -> TrialTable:
        """What the functions of `analysis` take."""
        records = list(self.store.trials.values())
        ids = [record.trial_id for record in records]
        ticks = max((len(record.measurements) for record in records), default=0)
        names = sorted({name for record in records for m in record.measurements for name in m.values})

        def curve(read: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
            out = np.full((len(records), ticks), np.nan)
            for row, record in zip(out, records, strict=True):
                row[: len(record.measurements)] = [read(m) for m in record.measurements]
            return out

        space = self.study.spec["space"]
        found = [self.diagnosis(record) for record in records]
        lists = {name: list(form) for name, form in {**space["scientific"], **space["nuisance"]}.items() if "low" not in form}
        settings = pd.DataFrame([named_nulls(self.settings(record), lists) for record in records], index=ids)
        for name, choices in lists.items():
            if name in settings and not any(isinstance(choice, bool) for choice in choices):
                # the first that the file names is the reference
                settings[name] = pd.Categorical(settings[name], categories=[NULL if choice is None else choice for choice in choices])
        return TrialTable(
            trial_id=np.array(ids, dtype=np.str_),
            config_id=np.array([config_id(record) for record in records], dtype=np.str_),
            seed=np.array([record.flat["seed"] for record in records], dtype=np.int64),
            phase=np.array([record.phase for record in records], dtype=np.str_),
            ended=np.array([record.closed.ended.value if record.closed else "" for record in records], dtype=np.str_),
            outcome=np.array([each.outcome for each in found], dtype=np.str_),
            diagnosis=np.array([each.evidence for each in found], dtype=np.str_),
            onset_kimg=np.array([np.nan if each.onset_kimg is None else each.onset_kimg for each in found], dtype=np.float64),
            settings=settings.drop(columns="seed", errors="ignore"),
            final=pd.DataFrame([{**record.last.values, COST: record.last.seconds} if record.last else {} for record in records], index=ids),
            curves={name: curve(lambda m, name=name: m.values.get(name, np.nan)) for name in names},
            images=curve(lambda m: m.images),
            scientific=tuple(space["scientific"]),
            nuisance=tuple(space["nuisance"]),
            directions={
                **{name: metric.direction for name, metric in METRICS.items() if metric.direction},
                self.score: self.direction,
                COST: Direction.MINIMIZE,
            },
            baselines=dict(self.study.floors),
        )

    def best(self, n: int = 1, *, by: str | None = None, where: str | None = None, min_seeds: int = 3) -> "list[TrialView]":
        """The best n configurations, each by its median run among those that reached the end.

        Ranked on the bad end of the mean's 95 % interval, not on a lucky seed. where: a pandas query over trials(), such as
        "coverage > 0.8", that more than half of a configuration's runs must meet. Where no configuration has min_seeds runs, those with the most are ranked, which is logged.
        """
        by = by or self.score
        table = self.table()
        if where:
            trials = self.trials()
            try:
                chosen = trials.query(where).index
            except (pd.errors.UndefinedVariableError, SyntaxError, TypeError, ValueError) as error:
                raise ValueError(
                    f"where must be a condition on columns of trials(), such as 'coverage > 0.8'; given {where!r}: {error}"
                ) from None
            passed = pd.Series(np.isin(table.trial_id, chosen)).groupby(table.config_id).mean()
            table = table.where(np.isin(table.config_id, passed.index[passed > 0.5]))  # on all their runs, not on the lucky ones
        if not table.evidence.any():
            raise ValueError(
                f"the best of {self.folder} must be among finished trials" + (f" with {where}" if where else "") + "; there are none"
            )
        ranked = rank(table, by)
        ranked = ranked[ranked["n"] > 0]
        if not len(ranked):
            raise ValueError(
                f"the best must have reached the end of their budget; no run of {self.folder} has" + (f" with {where}" if where else "")
            )
        most = int(ranked["n"].max())
        if most < min_seeds:
            log.warning("no configuration has %d finished runs; ranking those with %d", min_seeds, most)
        ranked = ranked[ranked["n"] >= min(min_seeds, most)]
        scores = pd.Series(table.at_end(by), index=table.trial_id).dropna()
        views = []
        for config in ranked["config_id"].head(n):
            mine = scores[[trial for trial in table.trial_id[table.config_id == config] if trial in scores.index]].sort_values()
            views.append(self.trial(str(mine.index[(len(mine) - 1) // 2])))
        return views

    def trial(self, trial_id: str) -> "TrialView":
        """By its id, or the beginning of it where that is unique."""
        matches = [known for known in self.store.trials if known.startswith(trial_id)]
        if len(matches) != 1 and trial_id not in self.store.trials:
            raise ValueError(
                f"a trial id, or the unique beginning of one, is needed; given {trial_id!r}, which {len(matches)} trials of {self.folder} begin with"
            )
        return TrialView(self, self.store.trials[trial_id if trial_id in self.store.trials else matches[0]])

    def diagnosis(self, record: TrialRecord) -> Diagnosis:
        """What happened to a trial. One that has not ended has no outcome yet."""
        return diagnosis(record, self.study) if record.closed else Diagnosis("", "unfinished: no evidence yet")

    def settings(self, record: TrialRecord) -> dict[str, Any]:
        """As asked, completed by the defaults of what was not said. Without trust, a plugin's own defaults are unknown and left out."""
        from study.space import live
        from trainables.config import settings
        from trainables.tricks import TRICKS

        defaults = {name: value for name, value in settings().items() if name not in TRICKS}
        defaults = {name: defaults[name] for name in live({**defaults, **record.flat}) if name in defaults}
        return {**defaults, **record.settings}

    def _need_trust(self) -> None:
        if not self.trusted:
            raise ValueError(
                f"{self.folder} uses plugins {list(self.plugins)}, which are code; open_study(folder, trust_plugins=True) (--trust-plugins) imports them"
            )


class TrialView:
    """One trial of a folder."""

    def __init__(self, study: StudyView, record: TrialRecord):
        self.study, self.record = study, record

    def __repr__(self) -> str:
        last = self.record.last
        return f"TrialView({self.trial_id!r}, {self.outcome or 'unfinished'}" + (
            f", {self.study.score} {last.values[self.study.score]:.4g})" if last else ")"
        )

    @property
    def trial_id(self) -> str:
        return self.record.trial_id

    @property
    def config(self) -> "TrialConfig":
        from trainables.config import TrialConfig

        self.study._need_trust()
        return TrialConfig.from_flat(self.record.flat)

    @property
    def outcome(self) -> str:
        """A key of analysis.outcomes.OUTCOMES; "" while it has not ended."""
        return self.study.diagnosis(self.record).outcome

    @property
    def diagnosis(self) -> Diagnosis:
        """What happened to it, with the evidence; of a trial that still trains, as far as it came."""
        return diagnosis(self.record, self.study.study)

    @property
    def values(self) -> Mapping[str, float]:
        """What was last measured."""
        return self.record.last.values if self.record.last else {}

    @property
    def stored(self) -> list[Saved]:
        """Its checkpoints whose generator is kept, the newest last."""
        from trainables.generators import GENERATOR

        return [each for each in self.record.saved if (self.study.folder / each.path / GENERATOR).exists()]

    def generator_path(self, *, best_tick: bool = False) -> Path:
        """Its newest generator.safetensors, or that of the tick where its score was best. ValueError if none was saved."""
        from trainables.generators import GENERATOR

        if not (saved := self.stored):
            raise ValueError(f"{self.trial_id} must have saved a generator; none is in {self.study.folder}")
        at = best_images(self.record, self.study.score, self.study.direction) if best_tick else saved[-1].images
        return self.study.folder / next(each.path for each in saved if each.images == at) / GENERATOR

    def generator(self, *, best_tick: bool = False) -> "Sampler":
        """z [N, latent.dim] -> images: a ready nn.Module, in evaluation mode. best_tick: as it was when its score was best.

        The least of several noisy scores flatters; judge such a generator again before quoting its score.
        """
        from trainables.generators import load_generator

        self.study._need_trust()
        return load_generator(self.generator_path(best_tick=best_tick))

    def sample(self, n: int, *, seed: int = 0, label: str | int | None = None) -> "Tensor":
        """[n, *shape], floats in [-1, 1] (points: as they are). label: a class by its name or number, of a conditional generator; else of all."""
        generator = self.generator()
        if label is None:
            return generator.sample(n, seed=seed)
        import torch

        return generator.sample(n, seed=seed, labels=torch.full((n,), generator.label_of(str(label))))

    def export(self, path: Path | str, *, best_tick: bool = False) -> Path:
        """Copy the generator: safetensors, its config in the header; trainables.generators.load_generator makes a network of it."""
        return Path(shutil.copyfile(self.generator_path(best_tick=best_tick), path))

    def samples_png(self) -> bytes | None:
        """Its newest sample grid; None if it saved none."""
        grids = sorted((self.study.folder / "trials" / self.trial_id / "samples").glob("*.png"))
        return grids[-1].read_bytes() if grids else None


def best_images(record: TrialRecord, metric: str, direction: Direction) -> int:
    """The images at which its score was best, among the ticks that were saved."""
    scores = {m.images: m.values[metric] for m in record.measurements}
    return min((saved.images for saved in record.saved), key=lambda images: direction.sign * scores[images])


def config_id(record: TrialRecord) -> str:
    return record.trial_id.rpartition("-s")[0]
