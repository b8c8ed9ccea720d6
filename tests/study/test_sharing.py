"""How many trials share a GPU with `resources.gpu: auto`: the rule, the probe on a CPU, and whole studies on a GPU that only Ray believes in."""

import signal
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from recorded import STUDY
from scripts import head, run_script

from study.engine import launch, sharing
from study.engine.reasons import TOO_LARGE
from study.engine.stopping import Stopping
from study.spec.study_spec import StudySpec
from study.store.store import Store
from trainables.data import Source
from trainables.probe import Load, best, probe
from trainables.tune import Shared

Toy = Callable[..., StudySpec]
SMALL = {"arch": "mlp", "g.width": 8, "d.width": 8, "batch_size": 16}


@pytest.mark.parametrize(
    ("speeds", "memory", "chosen"),
    [
        ([1, 2, 4, 8, 16], [0.1, 0.1, 0.1, 0.1, 0.1], 16),
        ([1, 1.9, 2.2, 2.3], [0.1, 0.1, 0.1, 0.1], 4),  # 8 gain less than a tenth
        ([1, 0.9], [0.1, 0.1], 1),
        ([1, 2, 4, 8], [0.2, 0.4, 0.79, 0.81], 4),  # 8 leave no room
        ([1], [0.9], 1),
        ([], [], 1),
    ],
)
def test_the_number_that_still_gains_and_fits_is_chosen(speeds: list[float], memory: list[float], chosen: int) -> None:
    assert best([Load(lanes=2**i, speed=speed, memory=used) for i, (speed, used) in enumerate(zip(speeds, memory, strict=True))]) == chosen


@pytest.mark.parametrize(
    ("nodes", "resources", "most"),
    [
        ([{"CPU": 64, "GPU": 1}], {}, 16),
        ([{"CPU": 8, "GPU": 1}], {}, 8),
        ([{"CPU": 8, "GPU": 1}], {"cpu": 0.5}, 16),
        ([{"CPU": 8, "GPU": 4}], {}, 2),
        ([{"CPU": 8, "GPU": 4}, {"CPU": 2}], {}, 2),
        ([{"CPU": 64, "GPU": 1}], {"concurrent": 3}, 3),
        ([{"CPU": 64, "GPU": 16}], {}, 4),
        ([{"CPU": 1, "GPU": 4}], {}, 1),
        ([{"CPU": 64}], {}, 0),
        ([{"CPU": 64, "GPU": 1}], {"gpu": 1}, 0),
        ([{"CPU": 64, "GPU": 1}], {"lanes": False}, 0),
    ],
)
def test_cpus_and_trials_limit_the_number(toy: Toy, nodes: list[Mapping[str, float]], resources: dict[str, Any], most: int) -> None:
    assert sharing.most(toy(n_configs=100, resources=resources), nodes) == most


@dataclass
class Played:
    """Tune runs played by a stand-in: `runs` are the shares of a GPU, and which trials were tried alone in it. `each` plays one run."""

    each: Callable[[Store, Stopping, Collection[str] | None], None]
    runs: list[Any] = field(default_factory=list)

    def tuner(
        self, spec: StudySpec, trainable: Any, store: Store, display: Any, stopping: Stopping, *, only: Collection[str] | None
    ) -> Any:
        def fit() -> None:
            self.runs.append((spec.resources.gpu, sorted(only)) if only else spec.resources.gpu)
            self.each(store, stopping, only)

        return SimpleNamespace(fit=fit)

    def play(self, spec: StudySpec, folder: Path, patch: pytest.MonkeyPatch) -> Store:
        patch.setattr(launch, "_tuner", self.tuner)
        patch.setattr(launch, "_trainable", lambda *given: nullcontext())
        with Store.writing(folder) as store:
            store.write_study(replace(STUDY, sharing={"lanes": 8, "measured": []}))
            launch._run_trials(spec, None, store, None, lanes=8)  # type: ignore[arg-type]
            return store


def full(store: Store, stopping: Stopping, only: Collection[str] | None, *, too_large: Collection[str] = ()) -> None:
    """Trials run out of memory as long as several share the GPU; alone, all fit but those that are too large."""
    if only:
        stopping.fit |= set(only) - set(too_large)
    elif stopping.shared:
        stopping.full = {"a", *too_large}


def test_after_a_full_gpu_fewer_trials_share_it_if_they_fit_alone(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(full)
    store = played.play(toy(), tmp_path, monkeypatch)
    assert played.runs == [0.125, (1, ["a"]), 0.25, 0.5, 1.0], "a trial is tried alone once"
    assert store.study
    assert store.study.sharing == {"lanes": 1, "lanes_at_first": 8, "measured": []}


def test_a_trial_that_does_not_fit_alone_changes_nothing_for_the_others(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = deque([["b"], ["c"], []])

    def each(store: Store, stopping: Stopping, only: Collection[str] | None) -> None:
        if only or large[0]:
            full(store, stopping, only, too_large=large.popleft() if only else large[0])

    played = Played(each)
    store = played.play(toy(), tmp_path, monkeypatch)
    assert played.runs == [0.125, (1, ["a", "b"]), 0.125, (1, ["c"]), 0.125]
    assert store.study
    assert store.study.sharing == {"lanes": 8, "measured": []}


@pytest.mark.parametrize("alone", [False, True], ids=["among others", "alone"])
@pytest.mark.parametrize("how", ["stop was asked", "Ctrl-C", "time is up"])
def test_a_full_gpu_starts_nothing_more_if_the_study_ends(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, alone: bool
) -> None:
    def each(store: Store, stopping: Stopping, only: Collection[str] | None) -> None:
        full(store, stopping, only)
        if bool(only) is alone:
            if how == "stop was asked":
                store.layout.stop.touch()
            elif how == "Ctrl-C":
                signal.raise_signal(signal.SIGINT)
            else:
                stopping._end = 0.0

    played = Played(each)
    played.play(toy(), tmp_path, monkeypatch)
    assert played.runs == ([0.125, (1, ["a"])] if alone else [0.125])


def test_the_second_ctrl_c_ends_a_study_at_once(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def each(store: Store, stopping: Stopping, only: Collection[str] | None) -> None:
        signal.raise_signal(signal.SIGINT)
        assert stopping.stop_all()
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            Played(each).play(toy(), tmp_path, monkeypatch)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("lanes", range(1, 17))
def test_so_many_shares_fit_on_a_gpu_for_ray(lanes: int) -> None:
    assert lanes * round(sharing.share(lanes) * 10_000) <= 10_000 < (lanes + 1) * round(sharing.share(lanes) * 10_000)


class Evaluator:
    """Scores nothing."""

    def on(self, device: torch.device) -> "Evaluator":
        return self

    def __call__(self, generator: Any) -> dict[str, float]:
        return {"fd": 1.0}


def of(monkeypatch: pytest.MonkeyPatch, flats: list[dict[str, Any]]) -> list[Load]:
    monkeypatch.setattr("trainables.probe._WARM_S", 0.01)
    monkeypatch.setattr("trainables.probe._ALONE_S", 0.1)
    monkeypatch.setattr("trainables.probe._TOGETHER_S", 0.2)
    points = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    shared = Shared(source=Source(name="points", train=points, heldout=points[:50]), evaluator=Evaluator())
    return probe(shared, flats, cpus=1, gpu=0)


def test_trials_are_added_until_they_hardly_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.probe._GAIN", 0.0)
    loads = of(monkeypatch, [{**SMALL, "seed": seed} for seed in range(6)])
    assert [load.lanes for load in loads] == [1, 2, 4, 6]
    assert all(load.speed > 0 for load in loads)
    monkeypatch.setattr("trainables.probe._GAIN", 1e9)
    assert [load.lanes for load in of(monkeypatch, [{**SMALL, "seed": seed} for seed in range(6)])] == [1, 2]


def test_a_config_that_diverges_at_once_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.probe._GAIN", 0.0)
    broken = {**SMALL, "g.lr": 1e30, "d.lr": 1e30}
    loads = of(monkeypatch, [broken, SMALL, broken, {**SMALL, "seed": 1}])
    assert [load.lanes for load in loads] == [1, 2]


def test_the_probe_ends_where_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables.lanes import Lanes

    monkeypatch.setattr("trainables.probe._GAIN", 0.0)
    begin = Lanes.begin

    def full(self: Lanes, lane: str, *given: Any) -> None:
        if lane == "3":
            raise torch.OutOfMemoryError("CUDA out of memory")
        begin(self, lane, *given)

    monkeypatch.setattr(Lanes, "begin", full)
    loads = of(monkeypatch, [{**SMALL, "seed": seed} for seed in range(6)])
    assert [load.lanes for load in loads] == [1, 2]


# Whole studies ------------------------------------------------------------------------------------

PLUGIN = '''
"""A GPU made of the CPU, for trials that need little time; one on which three trials at a time do not fit."""
import gc
import weakref
import torch
import trainables.lanes, trainables.probe, trainables.tune
from trainables.tricks.base import TRICKS, Trick

trainables.lanes.first_gpu = trainables.tune.first_gpu = lambda: torch.device("cpu")
trainables.probe._GAIN, trainables.probe._WARM_S, trainables.probe._ALONE_S, trainables.probe._TOGETHER_S = 0.0, 0.01, 0.05, 0.05

@TRICKS.register("hungry")
class Hungry(Trick):
    """Needs a third of the memory, once its budget is that of a study."""
    alive = weakref.WeakValueDictionary()

    def after_g(self, nets):
        if self.clock.budget < 10**8:
            Hungry.alive[id(self)] = self
            if len(Hungry.alive) > 2:
                gc.collect()  # those of trials that have ended
            if len(Hungry.alive) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")

@TRICKS.register("huge")
class Huge(Trick):
    """Does not fit, once its budget is that of a study."""

    def after_g(self, nets):
        if self.clock.budget < 10**8:
            raise torch.OutOfMemoryError("CUDA out of memory")
'''

ON_A_GPU = """
import logging
logging.basicConfig()
ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
mixed = {"scientific": {"huge": [False, True]}, "nuisance": TOY["space"]["nuisance"]}
for name, base, space in (("plain", {}, TOY["space"]), ("hungry", {"hungry": True}, TOY["space"]), ("mixed", {}, mixed)):
    spec = StudySpec.from_dict({**TOY, "n_configs": 4, "max_failures": 2, "plugins": ["one_gpu"], "base": {**TOY["base"], **base}, "space": space})
    view = launch(spec, name)
    print(name, "shares", [(study.sharing["lanes"], len(study.sharing["measured"])) for study in view.store.studies])
    records = view.store.trials.values()
    print(name, "ended", sorted((record.closed.ended.value, record.failures, bool(record.flat.get("huge"))) for record in records))
    print(name, "reasons", {record.closed.reason.splitlines()[-1] for record in records if record.closed.reason})
ray.shutdown()
"""

WITHOUT_TORCH = """
ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
try:
    launch(StudySpec.from_dict({**TOY, "n_configs": 4}), "toy", progress=False)
except ValueError as error:
    print(type(error).__name__, error)
ray.shutdown()
"""


@pytest.mark.slow
def test_a_study_measures_how_many_trials_share_a_gpu_and_halves_it_if_trials_that_fit_alone_do_not_fit_together(tmp_path: Path) -> None:
    (tmp_path / "one_gpu.py").write_text(PLUGIN)
    said = run_script(head() + ON_A_GPU, tmp_path)
    assert "4 trials at a time on each GPU (2 trained" in said
    assert "plain shares [(4, 3)]" in said
    assert "plain ended [('budget', 0, False), ('budget', 0, False), ('budget', 0, False), ('budget', 0, False)]" in said
    assert "hungry shares [(4, 3), (2, 3)]" in said
    assert "hungry ended [('budget', 0, False), ('budget', 0, False), ('budget', 0, False), ('budget', 0, False)]" in said
    assert "mixed shares [(4, 3)]" in said, "trials that do not fit alone are no reason to halve it"
    assert "mixed ended [('budget', 0, False), ('budget', 0, False), ('error', 3, True), ('error', 3, True)]" in said
    assert f"mixed reasons {{{TOO_LARGE!r}}}" in said


@pytest.mark.slow
def test_a_gpu_that_torch_does_not_see_ends_the_launch_before_its_trials(tmp_path: Path) -> None:
    said = run_script(head() + WITHOUT_TORCH, tmp_path)
    assert "UserError Ray assigned a GPU to this trial, but torch sees none on this node" in said
    assert not (tmp_path / "toy" / "records.jsonl").exists()
