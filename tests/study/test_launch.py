"""Studies on a real Ray: complete, crashing, stopped and resumed."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray.util.placement_group import placement_group, remove_placement_group
from toy import doubled, run

from analysis import explain
from ganstudy import UserError
from ganstudy.versions import versions
from study.engine import sharing
from study.engine.searcher import unfinished
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.records import Ended
from study.store.store import Store
from trainables.trial import STATE

pytestmark = pytest.mark.usefixtures("one_ray")
Toy = Callable[..., StudySpec]


def test_a_study_from_spec_to_generator(toy: Toy, tmp_path: Path) -> None:
    spec = toy(seeds=2)
    view = run(spec, tmp_path / "toy")
    trials = view.trials()
    assert len(trials) == spec.n_trials == 8
    assert set(trials["ended"]) == {"budget"}
    assert [proposal.flat["seed"] for proposal in spec.designed()] == trials["seed"].tolist()
    history = view.history()
    assert history.groupby("trial_id")["images"].apply(list).map(tuple).unique().tolist() == [(0, 200, 400, 600)]
    assert doubled(view.folder) == 0
    for record in view.store.trials.values():
        for name, value in record.flat.items():
            assert name in ("arch", "budget_kimg", "tick_kimg", "seed") or record.effective.get(name, False) == value, name
        assert record.codes == (versions()["code"],)
        kept = [saved.images for saved in record.saved if (view.folder / saved.path / STATE).exists()]
        assert kept == [400, 600], "the newest two checkpoints can be resumed from"
        grids = sorted(path.name for path in (view.folder / "trials" / record.trial_id / "samples").iterdir())
        assert grids == [f"{images:09d}.png" for images in (0, 200, 400, 600)]
    best = view.best(2, min_seeds=2)
    assert len({trial.record.flat["g.lr"] for trial in best}) == 2
    samples = best[0].sample(10, seed=1)
    assert samples.shape == (10, 2)
    assert torch.equal(samples, best[0].generator().sample(10, seed=1))
    again = run(spec, tmp_path / "toy")
    assert again.trials().equals(trials), "launching a finished study must not change it"


def test_the_folder_is_locked_while_a_gpu_is_measured(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: Any) -> None:
        with pytest.raises(UserError, match="is in use by process"), Store.writing(tmp_path / "toy"):
            pass
        raise UserError("measured")

    monkeypatch.setattr(sharing, "most", lambda *_: 2)
    monkeypatch.setattr(sharing, "measured", measured)
    with pytest.raises(UserError, match="measured"):
        run(toy(), tmp_path / "toy")
    assert not Layout(tmp_path / "toy").records.exists(), "what is refused there writes no records"
    with Store.writing(tmp_path / "toy"):
        pass


@pytest.mark.slow
def test_a_study_of_variants(toy: Toy, tmp_path: Path) -> None:
    """The column holds the variant's name, and the trial has the variant's settings."""
    methods = {"plain": {}, "clipped": {"loss": "wasserstein", "weight_clipping": True}}
    spec = toy(space={"scientific": {"method": methods}, "nuisance": {}}, sampler="factorial", n_configs=2, seeds=2)
    view = run(spec, tmp_path / "toy")
    trials = view.trials()
    assert sorted(trials["method"]) == ["clipped", "clipped", "plain", "plain"]
    assert (trials["loss"] == "wasserstein").equals(trials["method"] == "clipped")
    for record in view.store.trials.values():
        assert ("weight_clipping" in record.effective) == (record.variants["method"] == "clipped")
    (claim,) = explain(view.table(), "fd")
    assert (claim.setting, claim.level, claim.reference) == ("method", "clipped", "plain")
    assert view.spec == spec
    assert (
        run(toy(space={"scientific": {"method": methods}, "nuisance": {}}, sampler="factorial", n_configs=2, seeds=2), view.folder)
        .trials()
        .equals(trials)
    )


@pytest.mark.slow
def test_a_trial_on_ray_equals_a_plain_training_loop(toy: Toy, tmp_path: Path) -> None:
    """Bit for bit, in a reused Ray worker."""
    from study.evaluation.evaluator import Evaluator
    from trainables.config import TrialConfig
    from trainables.data import load
    from trainables.run import Run

    spec = toy(n_configs=2)
    view = run(spec, tmp_path / "toy")
    for record in view.store.trials.values():
        config = TrialConfig.from_flat(record.flat)
        source = load(config.data)
        evaluator = Evaluator.build(source, n_fake=spec.evaluation.samples)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone = [
            (tick.images, evaluator(training.generator())["fd"], tick.signals)
            for training in [Run(config, source)]
            for tick in training.ticks()
        ]
        torch.set_num_threads(threads)
        assert [(m.images, m.values["fd"]) for m in record.measurements] == [(images, fd) for images, fd, _ in alone]
        assert record.last
        assert alone[-1][2].items() <= record.last.values.items()


@pytest.mark.slow
def test_diverged_trials_are_results(toy: Toy, tmp_path: Path) -> None:
    view = run(toy(base={"d.lr": 1e30, "loss": "wasserstein"}), tmp_path / "toy")
    trials = view.trials()
    assert set(trials["ended"]) == {"dead"}
    assert set(trials["outcome"]) == {"diverged"}
    assert trials["reason"].str.contains("not finite after").all()
    assert "NaN" not in (view.folder / "records.jsonl").read_text()
    assert (view.history().groupby("trial_id")["images"].max() < 600).all()
    for record in view.store.trials.values():
        assert [saved.images for saved in record.saved] == [tick.images for tick in record.measurements], "diverged ticks are not saved"
        assert (view.folder / record.saved[-1].path / STATE).exists()
        assert view.trial(record.trial_id).sample(10).isfinite().all()


@pytest.mark.slow
def test_hopeless_trials_are_stopped_and_keep_their_samples(toy: Toy, tmp_path: Path) -> None:
    """G does not learn, so D is always right."""
    frozen = {"nuisance": {"g.lr": {"low": 1e-12, "high": 2e-12}}}
    view = run(toy(base={"d.lr": 1e-2, "budget_kimg": 6.0, "tick_kimg": 0.6}, space=frozen, n_configs=2), tmp_path / "toy")
    trials = view.trials()
    assert set(trials["ended"]) == {"dead"}
    assert set(trials["outcome"]) == {"discriminator_too_strong"}
    assert trials["reason"].str.contains("no progress since .* kimg: discriminator_too_strong, D is almost never wrong").all()
    assert trials["images"].between(5000, 5400).all()  # after 5 kimg, before the end
    for record in view.store.trials.values():
        assert record.last is not None
        assert record.saved[-1].images == record.last.images
        assert view.trial(record.trial_id).samples_png()
    assert not unfinished(view.spec, view.store)


@pytest.mark.slow
def test_extending_a_study_keeps_its_trials(toy: Toy, tmp_path: Path) -> None:
    first = run(toy(n_configs=2), tmp_path / "toy").trials()
    more = run(toy(n_configs=4, seeds=2), tmp_path / "toy").trials()
    assert len(more) == 8
    assert more.loc[first.index, "fd"].equals(first["fd"])


@pytest.mark.slow
def test_another_study_or_protocol_in_the_folder_is_refused(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    run(toy(n_configs=2), folder)
    before = (folder / "records.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"holds another study \(base: .* resume .* raise n_configs or seeds .* change `name`"):
        run(toy(n_configs=1, base={"d.lr": 1e-3}), folder)
    with pytest.raises(ValueError, match=r"holds another study .evaluation: {samples: 200} in the folder, {samples: 300} now"):
        run(toy(n_configs=1, evaluation={"samples": 300}), folder)
    with pytest.raises(ValueError, match=r"n_configs must be at least 2, as in .*; given 1\. Raise it"):
        run(toy(n_configs=1), folder)
    study = json.loads(before.splitlines()[0])
    study["study"]["protocol"]["split"] = "0" * 16
    (folder / "records.jsonl").write_bytes(json.dumps(study).encode() + b"\n" + before.split(b"\n", 1)[1])
    with pytest.raises(ValueError, match=r"evaluation protocol must be the one of .*split: '0{16}' in the folder"):
        run(toy(n_configs=2), folder)
    assert [path.name for path in (tmp_path).iterdir()] == ["toy"]


def test_missing_resources_are_refused_before_anything_is_written(toy: Toy, tmp_path: Path) -> None:
    for resources, request in ({"gpu": 4}, "4 GPU"), ({"cpu": 64}, "64 CPU"), ({"memory_gb": 9999.0}, "9999 GB"):
        with pytest.raises(
            ValueError, match=f"must fit on one node of the cluster; it requests .*{request}.* and the nodes have 2 CPU, 0 GPU"
        ):
            run(toy(resources=resources), tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def test_a_file_instead_of_a_folder_is_refused(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        run(toy(), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_settings_that_do_not_fit_the_data_are_refused(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="arch: mlp for points"):
        run(toy(base={"arch": "dcgan", "g.norm": "batch"}), tmp_path / "toy")
    with pytest.raises(ValueError, match=r"data\.size must be at most the 100000"):
        run(toy(base={"data.size": 100_001}), tmp_path / "toy")
    with pytest.raises(ValueError, match="objective must name a metric that can be measured with data: "):
        run(toy(base={"data": "image_folder", "data.root": str(pictures(tmp_path / "p"))}, objective="modes"), tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


@pytest.mark.slow
def test_optimise_stops_trials_by_successive_halving(toy: Toy, tmp_path: Path) -> None:
    spec = toy(goal="optimise", n_configs=9, scheduler={"grace_kimg": 0.2, "reduction_factor": 3}, sampler="tpe")
    view = run(spec, tmp_path / "toy")
    ended = Counter(view.trials()["ended"])
    assert sum(ended.values()) == 9
    assert set(ended) == {"budget", "scheduler"}
    stopped = [record for record in view.store.trials.values() if record.closed and record.closed.ended is Ended.SCHEDULER]
    assert all(record.last and record.last.images < 600 for record in stopped)
    assert view.best(1, min_seeds=1)[0].record.closed


BREAKING = '''
"""A training loop that crashes as often as a counter file allows."""
from pathlib import Path
from trainables.run import LOOPS, Run


@LOOPS.register("breaking")
class Breaking(Run):
    """Crashes at 400 images, {times} times in total."""

    def d_step(self):
        count = Path({counter!r})
        if self.images == 400 and len(count.read_text()) < {times}:
            count.write_text(count.read_text() + "x")
            {how}
        return super().d_step()
'''


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["raise OSError('the disk is gone')", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"], ids=["raises", "dies"]
)
@pytest.mark.parametrize("times", [2, 9])
def test_a_crashed_trial_is_retried_from_its_checkpoint(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, times: int
) -> None:
    from trainables.run import LOOPS

    counter = tmp_path / "count"
    counter.write_text("")
    (tmp_path / "breaking_plugin.py").write_text(BREAKING.format(counter=str(counter), times=times, how=how))
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        view = run(toy(plugins=["breaking_plugin"], base={"loop": "breaking"}, n_configs=1, max_failures=2), tmp_path / "toy")
        (record,) = view.store.trials.values()
        assert record.closed
        assert record.failures == min(times, 3)
        assert record.closed.ended is (Ended.BUDGET if times == 2 else Ended.ERROR)
        assert doubled(view.folder) == 0
        assert [m.images for m in record.measurements] == ([0, 200, 400, 600] if times == 2 else [0, 200, 400])
        if times == 9:
            assert view.trial(record.trial_id).outcome == ""
            assert "the disk is gone" in record.closed.reason or "died" in record.closed.reason
    finally:
        LOOPS.pop("breaking", None)
        sys.modules.pop("breaking_plugin", None)


STARTING = '''
"""Notes the processes that import it. All but the first two, the driver and a worker, take long to start."""
import os
import time
from pathlib import Path
from trainables.run import LOOPS, Run

LOOPS.register("starting")(type("Starting", (Run,), {{"__doc__": "A loop."}}))
STARTED = Path({started!r})
(STARTED / str(os.getpid())).touch()
if len(list(STARTED.iterdir())) > 2:
    time.sleep(4)
'''


@pytest.mark.slow
@pytest.mark.usefixtures("own_plugins")
def test_a_worker_that_is_starting_is_not_ended_for_one_that_becomes_free(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials of the first worker end while the second one starts: each goes on with a new trial."""
    started = tmp_path / "started"
    started.mkdir()
    (tmp_path / "starting_plugin.py").write_text(STARTING.format(started=str(started)))
    monkeypatch.syspath_prepend(str(tmp_path))
    view = run(toy(plugins=["starting_plugin"], n_configs=24), tmp_path / "toy")
    assert view.trials()["ended"].tolist() == ["budget"] * 24
    assert len([*started.iterdir()]) == 3, "the driver and two workers"


@pytest.mark.slow
def test_a_trial_that_waits_for_resources_is_not_overtaken_by_all_others(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another job of the cluster takes the place of the second trial at a time, so one trial waits while the others share a worker."""
    monkeypatch.setattr("study.engine.schedulers.PATIENCE_S", 0.0)
    other_job = placement_group([{"CPU": 1.0}])
    ray.get(other_job.ready())
    try:
        view = run(toy(n_configs=12), tmp_path / "toy")
    finally:
        remove_placement_group(other_job)
    ended = sorted(view.store.trials.values(), key=lambda record: record.closed_at)
    assert {record.closed.ended for record in ended if record.closed} == {Ended.BUDGET}
    assert max(place - record.number for place, record in enumerate(ended)) <= 3, [record.number for record in ended]


def pictures(folder: Path, n: int = 60) -> Path:
    """Write PNGs of mixed sizes and colour modes, without labels."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(n):
        size = (int(rng.integers(20, 90)), int(rng.integers(20, 90)))
        mode = ("RGB", "L", "RGBA")[i % 3]
        Image.effect_noise(size, 60).convert(mode).save(folder / f"{i:03}.png")
    return folder


@pytest.mark.slow
def test_a_study_of_an_image_folder(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = {"data": "image_folder", "data.root": str(pictures(tmp_path / "p")), "data.resolution": 16, "arch": "dcgan", "g.norm": "batch"}
    view = run(toy(base=base, n_configs=2, evaluation={"samples": 100}), tmp_path / "toy")
    trials = view.trials()
    assert set(trials["ended"]) == {"budget"}
    assert "modes" not in trials
    assert trials[["fd", "coverage"]].notna().all(axis=None)
    assert view.study.protocol["features"] != "classifier"


@pytest.mark.slow
def test_a_stop_file_stops_the_study_and_it_can_be_resumed(toy: Toy, tmp_path: Path) -> None:
    folder, spec = tmp_path / "toy", toy(n_configs=6)
    with pytest.MonkeyPatch.context() as patch:
        write = Store.write

        def stop_after_three(self: Store, trial_id: str, **facts: object) -> bool:
            new = write(self, trial_id, **facts)  # type: ignore[arg-type]
            if sum(record.closed is not None for record in self.trials.values()) == 3:
                Layout(folder).stop.touch()
            return new

        patch.setattr(Store, "write", stop_after_three)
        view = run(spec, folder)
    done = sum(record.closed is not None for record in view.store.trials.values())
    assert 3 <= done < 6
    view = run(spec, folder)
    assert len(view.trials()) == 6
    assert set(view.trials()["ended"]) == {"budget"}
    assert doubled(folder) == 0
