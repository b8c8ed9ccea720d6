"""What a study looks like: in `ganstudy show`, as frames, and as its objects print themselves."""

import io
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import PROTOCOL, SPEC, STUDY, Driver
from rich.console import Console
from toy import TOY

import analysis
from ganstudy import UserError
from study.api import open_study
from study.show.trials import print_study, print_trial
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store
from study.views import StudyView

VARIANTS = {"plain": {}, "wgan": {"loss": "wasserstein", "d_steps": 5}}


def study(folder: Path, *, seeds: int = 2, done: int = 2) -> StudyView:
    """Four configs, whose first is unfinished; of the others, `done` trials have finished, and those of the last have failed."""
    spec = StudySpec.from_dict({**TOY, "seeds": seeds, "space": {"scientific": {"method": VARIANTS}, "nuisance": {"g.lr": "range"}}})
    with Store.writing(folder) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict(), baselines={"fd": 1.0}))
        driver = Driver(store)
        for config, rate in (("aa", 1e-3), ("bb", 2e-3), ("cc", 3e-3), ("dd", 4e-3)):
            for seed in range(done):
                trial = f"{config}-s{seed}"
                bundle = {"loss": "wasserstein", "d_steps": 5} if config in ("bb", "dd") else {"d_steps": 1}
                flat = {"arch": "mlp", "data": "ring8", "g.lr": rate, "seed": seed, "r1": False, "r1.gamma": 1.0, **bundle}
                variants = {"method": "wgan" if config in ("bb", "dd") else "plain"}
                store.write(
                    trial, opened={"phase": "explore", "flat": {k: v for k, v in flat.items() if k != "r1.gamma"}, "variants": variants}
                )
                driver.tick(trial, 0, coverage=0.1, fd=50.0)
                ended = None if config == "aa" else Ended.DEAD if config == "dd" else Ended.BUDGET
                driver.tick(trial, 2, ended, coverage=0.8, fd=100.0 * rate * (1 + 0.01 * seed) + 1)
    return open_study(folder)


def printed(view: StudyView, trial: str | None = None) -> str:
    console = Console(width=160, file=io.StringIO(), markup=False, highlight=False)
    if trial:
        print_trial(view.trial(trial), console)
    else:
        print_study(view, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_show_prints_a_row_for_each_trial_with_its_outcome(tmp_path: Path) -> None:
    view = study(tmp_path)
    heading, *rows = printed(view).partition("8 trials:\n")[2].splitlines()
    assert heading.split() == ["trial", "ended", "outcome", "kimg", "fd", "settings"]
    assert [row.split()[0] for row in rows] == list(view.trials().index)
    said = {row.split()[0]: " ".join(row.split()[1:]) for row in rows}
    assert said["aa-s0"] == "unfinished – 2 1.1 method plain, g.lr 0.001"
    assert said["bb-s1"] == f"budget {view.trial('bb-s1').outcome} 2 1.202 method wgan, g.lr 0.002"
    assert said["dd-s0"].startswith("dead diverged 2 ")


def test_show_of_a_trial_begins_with_what_differs_between_trials(tmp_path: Path) -> None:
    view = study(tmp_path)
    said = printed(view, "bb-s1")
    differing, base, defaults = (
        said.index(words) for words in ("settings that differ between the trials:", "settings of the study's base:", "defaults:")
    )
    assert differing < base < defaults
    lines = {
        part: [line.split(":")[0].strip() for line in text.splitlines()[1:]]
        for part, text in (("differing", said[differing:base]), ("base", said[base:defaults]))
    }
    assert set(lines["differing"]) == {"method", "loss", "d_steps", "g.lr", "seed"}
    assert set(lines["base"]) == {"arch", "data", "r1"}
    shown = [line.split(":")[0].strip() for line in said[differing:].splitlines() if line.startswith("  ") and ":" in line]
    assert sorted(shown) == sorted(view.trial("bb-s1").settings)


def test_a_history_carries_settings(tmp_path: Path) -> None:
    view = study(tmp_path)
    plain, whole = view.history(), view.history(settings=True)
    assert whole[list(plain)].equals(plain)
    trials = view.trials()
    for name in ("method", "loss", "g.lr", "seed", "arch"):
        assert whole[name].tolist() == trials.loc[whole["trial_id"], name].tolist(), name
    assert whole.columns.is_unique
    assert whole.attrs["baselines"] == {"fd": 1.0}


def test_a_setting_with_the_name_of_a_metric_has_a_column_of_its_own(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        spec = StudySpec.from_dict({**TOY, "space": {"scientific": {"precision": ["fp32", "tf32"]}}})
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict()))
        driver = Driver(store)
        for i, given in enumerate(("fp32", "tf32")):
            driver.open(f"c{i}-s4", precision=given)
            driver.tick(f"c{i}-s4", 2, Ended.BUDGET, precision=0.8 + i / 10)
    view = open_study(tmp_path)
    trials, history = view.trials(), view.history(settings=True)
    for frame in (trials, history):
        assert frame.columns.is_unique
        assert frame["precision"].tolist() == [0.8, 0.9]
        assert frame["config.precision"].tolist() == ["fp32", "tf32"]
    assert trials.attrs["settings"]["precision"] == "config.precision"
    assert [row.split()[-2:] for row in printed(view).splitlines()[-2:]] == [["precision", "fp32"], ["precision", "tf32"]]
    assert view.table().settings["precision"].tolist() == ["fp32", "tf32"]
    assert view.table(where="config.precision == tf32").trial_id.tolist() == ["c1-s4"]
    assert [trial.trial_id for trial in view.best(2, where="precision > 0.85", min_seeds=1)] == ["c1-s4"]
    with pytest.raises(UserError, match=r"names precision\. .*\. The setting precision is config\.precision here"):
        view.table(where="precision > 0.85")
    for text in ("tf32", "'tf32'"):
        with pytest.raises(UserError, match=r"precision is a metric or signal here; the setting is config\.precision"):
            view.best(where=f"precision == {text}")


def test_a_trial_has_its_history(tmp_path: Path) -> None:
    view = study(tmp_path)
    whole = view.history()
    mine = view.trial("cc-s1").history()
    assert mine.equals(whole[whole["trial_id"] == "cc-s1"].reset_index(drop=True)[list(mine)])
    assert mine["images"].tolist() == [0, 2000]


def test_frames_of_a_study_without_trials_have_columns(tmp_path: Path) -> None:
    view = study(tmp_path, done=0)
    assert view.trials().query("ended == 'error' and seed > 1").empty
    assert view.history()[["trial_id", "images", "seconds"]].empty
    assert view.history(settings=True).empty
    assert len(view.table(where="loss == 'hinge'")) == 0
    assert printed(view).endswith("0 trials so far\n")


def test_an_object_prints_itself_in_a_line(tmp_path: Path) -> None:
    view = study(tmp_path)
    table = view.table()
    assert repr(table) == "TrialTable(8 trials of 4 configs, about method)"
    with Store.writing(tmp_path / "two") as store:
        store.write_study(replace(STUDY, spec={**SPEC, "plugins": []}))
        driver = Driver(store)
        for i in range(8):
            driver.open(f"c{i}-s0", r1=i % 2 == 0, **{"g.lr": 1e-3 * (1 + i)})
            driver.tick(f"c{i}-s0", 4 if i % 2 == 0 else 2, Ended.BUDGET)
    found = analysis.explain(open_study(tmp_path / "two").table(), "seconds", settings=["r1"])
    assert repr(found) == f"Explanation({len(found)} comparisons about seconds, 1 claimed)"
    assert repr(found[0]) == f"Claim(claimed: {found[0].sentence})"
    assert repr(view) == f"StudyView({str(tmp_path)!r}: 8 trials of 'toy')"
    assert repr(view.trial("aa-s0")) == "TrialView('aa-s0', unfinished, fd 1.1)"
    assert repr(view.best(2)) == f"[{view.trial('bb-s0')!r}, {view.trial('cc-s0')!r}]"


@pytest.mark.parametrize(
    ("seeds", "done", "warned"),
    [
        (1, 1, ""),
        (2, 2, ""),
        (2, 1, "no config has 2 finished trials; ranking those with 1"),
        (3, 3, ""),
        (3, 2, "no config has 3 finished trials; ranking those with 2"),
        (5, 3, ""),
    ],
)
def test_the_best_configs_need_as_many_trials_as_the_study_has_seeds_but_at_most_three(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seeds: int, done: int, warned: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(study(tmp_path, seeds=seeds, done=done).best(2)) == 2
    assert [record.getMessage() for record in caplog.records] == [warned] * bool(warned)


def test_best_takes_dotted_names_as_they_stand(tmp_path: Path) -> None:
    view = study(tmp_path)
    assert [trial.record.config_id for trial in view.best(9, where="g.lr > 2.5e-3 and method == 'plain'")] == ["cc"]
    assert [trial.record.config_id for trial in view.best(9, where="seed in [0, 1] and coverage > 0.5 and not failed and d/adv > 0")] == [
        "bb",
        "cc",
    ]
    with pytest.raises(UserError, match=r"no trial has a value called 'g.lrr'. Did you mean g.lr or d.lr\?"):
        view.best(where="g.lrr > 1")


def test_mistakes_in_python_are_answered(tmp_path: Path) -> None:
    view = study(tmp_path)
    with pytest.raises(UserError, match="no metric named ''"):
        view.best(by="")
    with pytest.raises(UserError, match="a trial id or a unique prefix of one is needed; 3 matches 0 trials"):
        view.trial(3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"n must be a whole number, at least 1; given 2\.5"):
        view.trial("aa-s0").sample(2.5, label="3")  # type: ignore[arg-type]


def test_a_table_of_some_trials_is_chosen_by_settings_only(tmp_path: Path) -> None:
    view = study(tmp_path)
    some = view.table(where="method == 'wgan' and seed == 1")
    assert some.trial_id.tolist() == ["bb-s1", "dd-s1"]
    assert "Only the trials with method == 'wgan' and seed == 1." in analysis.answer(
        analysis.explain(view.table(where="method == 'wgan' and seed == 1"), "failed")
    )
    for where in ("fd < 3", "outcome == healthy", "g.lr > 1e-3 and d/adv > 0", "failed"):
        with pytest.raises(UserError, match="trials must be chosen by settings or by the seed here"):
            view.table(where=where)
    with pytest.raises(UserError, match=r"of 8 trials, none meets 'g\.lr > 1'"):
        view.table(where="g.lr > 1")


RAY_SAID = """Failure # 1 (occurred at 2026-01-01_00-00-00)
\x1b[36mray::ResourceTrainable.train()\x1b[39m (pid=737, ip=192.0.2.2)
           ^^^^^^^^^^^^^^^^^^^^^^^^
  File "/env/lib/python3.11/site-packages/ray/tune/trainable.py", line 326, in train
    result = self.step()
             ^^^^^^^^^^^
  File "/home/me/loss.py", line 11, in d_term
    return 1 / 0
           ~~^~~
ZeroDivisionError: division by zero
"""


@pytest.mark.parametrize("failures", [1, 9])
def test_show_of_a_crashed_trial_begins_with_the_error_and_the_lines_that_led_there(tmp_path: Path, failures: int) -> None:
    study(tmp_path)
    with Store.writing(tmp_path) as store:
        driver = Driver(store)
        driver.open("ee-s0")
        driver.tick("ee-s0", 0, Ended.ERROR, RAY_SAID)
        store.write("ee-s0", failures=failures)
    heading, error, again, *rest = printed(open_study(tmp_path), "ee-s0").splitlines()
    assert heading.endswith("ended: error; outcome: crashed")
    assert error == "error: ZeroDivisionError: division by zero"
    assert again == (f"It is tried again by `ganstudy resume {tmp_path}`." if failures == 1 else "It is not tried again.")
    assert rest[:4] == [
        "The lines that led there, without those of libraries:",
        '  File "/home/me/loss.py", line 11, in d_term',
        "    return 1 / 0",
        "All of the error:",
    ]
    assert "\n".join(rest[4:]).startswith(RAY_SAID.replace("\x1b[36m", "").replace("\x1b[39m", ""))
