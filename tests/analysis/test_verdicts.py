"""Foreign runs: which are evidence, and which failed."""

import re

import numpy as np
import pandas as pd
import pytest
from foreign_runs import runs, table

from ganstudy import UserError

BAD = [1.0, 300.0, np.nan, np.inf, 260.0, 2.0]


def test_a_run_without_a_value_is_no_evidence_unless_failed_says_so() -> None:
    frame = runs(loss=BAD)
    silent = table(frame)
    assert silent.evidence.tolist() == [True, True, False, False, True, True]
    assert not silent.failed.any()
    assert any("It was not said which runs failed" in note for note in silent.notes)
    assert any(note.startswith("2 of 6 runs are no evidence") and "loss is missing" in note for note in silent.notes)
    assert silent.final["loss"].isna().tolist() == [False, False, True, True, False, False]  # infinity, too
    above = table(frame, failed="loss > 250")
    assert above.outcome.tolist() == ["completed", "failed", "", "failed", "failed", "completed"]
    assert above.dead.tolist() == [False, False, False, True, False, False]  # infinity is above 250, and no value to average
    assert np.isfinite(above.at_end("loss")).tolist() == [True, True, False, False, True, True]
    assert any("count them as failed: loss > 250 or loss is missing" in note for note in above.notes)
    told = table(frame, failed="loss > 250 or loss is missing")
    assert told.failed.tolist() == [False, True, True, True, True, False]
    assert told.dead.tolist() == [False, False, True, True, False, False]
    assert told.evidence.all()


def test_a_result_may_be_written_as_none() -> None:
    made = table(runs(loss=["1", "300", "None", "null", "260", "2"]), failed="loss > 250 or loss is missing")
    assert made.failed.tolist() == [False, True, True, True, True, False]


def test_the_state_of_a_run_decides_whether_it_reached_its_end() -> None:
    frame = runs(loss=[1.0, 300.0, np.nan, 300.0, 300.0, 300.0], state=["COMPLETE", "finished", "FAIL", "crashed", "running", "pruned"])
    made = table(frame, state="state", failed="loss > 250")
    assert made.ended.tolist() == ["budget", "budget", "error", "error", "", "scheduler"]
    assert made.outcome.tolist() == ["completed", "failed", "", "", "", ""]  # on the way to its end, every run was bad once
    assert any("crashed (FAIL: 1, crashed: 1)" in note and "loss > 250 or state == FAIL" in note for note in made.notes)
    named = table(frame, state="state", failed="loss > 250 or state == crashed")
    assert named.outcome.tolist() == ["completed", "failed", "", "failed", "", ""]
    assert named.ended.tolist() == ["budget", "budget", "error", "dead", "", "scheduler"]
    missing = table(frame.assign(loss=np.nan), state="state", failed="loss is missing")
    assert missing.outcome.tolist() == ["failed", "failed", "failed", "failed", "", ""]  # not of runs that go on or were stopped
    with pytest.raises(UserError, match=r"states must be among .*'state' holds \['odd'\]"):
        table(frame.assign(state="odd"), state="state")


def test_a_boolean_column_says_which_runs_failed() -> None:
    made = table(runs(bad=["True", "false", "", "TRUE", "false", "false"], loss=[1, 2, 3, np.nan, 5, 6]), failed="bad")
    assert made.outcome.tolist() == ["failed", "completed", "", "failed", "completed", "completed"]
    assert table(runs(bad=[0, 1, 0, 0, 0, 0]), failed="bad").failed.tolist() == [False, True, False, False, False, False]
    with pytest.raises(UserError, match=r"a column of true and false; column 'lr' holds '0\.1'"):
        table(runs(), failed="lr")
    with pytest.raises(UserError, match="column 'bad' holds 'yes'"):
        table(runs(bad=["false", "yes", "no", "no", "no", "no"]), failed="bad")


def test_runs_with_fewer_steps_were_stopped_early() -> None:
    frame = runs(epoch=[10, 10, 5, 10, 2, 10], loss=[1.0, 2.0, 300.0, 4.0, np.nan, 6.0])
    made = table(frame, steps="epoch", failed="loss > 250 or loss is missing")
    assert made.ended.tolist() == ["budget", "budget", "scheduler", "budget", "dead", "budget"]  # nothing stops a run without a value
    assert made.outcome.tolist() == ["completed", "completed", "", "completed", "failed", "completed"]
    assert any("1 run ended before epoch 10" in note for note in made.notes)
    with pytest.raises(UserError, match="1 of 6 runs were stopped early"):
        table(frame, steps="epoch", evidence="designed")


def test_a_failure_that_can_never_be_is_refused() -> None:
    frame = runs(state=["finished", "FAILED", "finished", "odd", None, "finished"], bad=[0, 1, 0, 0, 0, 0], day=pd.Timestamp("2024-01-01"))
    with pytest.raises(
        UserError, match=r"given 'state == faild': state is never 'faild'; did you mean 'failed'\? it holds 'finished', 'FAILED'"
    ):
        table(frame, failed="state == faild")
    with pytest.raises(UserError, match="state is never 'end'; it holds"):
        table(frame, failed="state != end")
    with pytest.raises(UserError, match="write loss is missing"):
        table(frame, failed="loss == None")
    with pytest.raises(UserError, match=r"day is a text \(such as '2024-01-01 00:00:00'\) and 3 is a number"):
        table(frame, failed="day > 3")
    assert table(frame, failed="bad == true").failed.tolist() == [False, True, False, False, False, False]
    assert "No run failed by 'state == crashed'." in table(frame, failed="state == crashed").notes  # a state that no run happens to have
    assert "No run failed by 'loss > 99'." in table(frame, failed="loss > 99").notes
    assert not any("No run failed" in note for note in table(frame, failed="bad").notes)


@pytest.mark.parametrize("value", ["yes", "ends here"])
def test_the_advised_condition_on_a_column_of_texts_works(value: str) -> None:
    frame = runs(**{"how bad": ["no", value, "no", "no", value, "no"]})
    with pytest.raises(UserError, match="a column of true and false") as refused:
        table(frame, failed="how bad")
    (advised,) = re.findall("Write a condition: failed='(.*)'", str(refused.value))
    first = str(frame["how bad"][0])
    assert table(frame, failed=advised).failed.tolist() == (frame["how bad"] == first).tolist()


def test_a_column_may_be_called_as_an_end_is() -> None:
    frame = runs(loss=[1.0, 300.0, 2.0, np.nan, 3.0, np.nan], crashed=[False, True, False, False, False, False])
    made = table(frame.assign(state=["finished"] * 5 + ["killed"]), failed="crashed", state="state")
    assert made.diagnosis.tolist() == ["ended", "crashed", "ended", "ended without a finite value", "ended", "crashed"]
    assert made.outcome.tolist() == ["completed", "failed", "completed", "", "completed", ""]
    assert any("count them as failed: crashed == true or state == killed." in note for note in made.notes)
    ended = table(frame.rename(columns={"crashed": "ended"}), failed="ended")
    assert ended.failed.tolist() == [False, True, False, False, False, False]


def test_the_advice_about_crashed_runs_names_all_their_states() -> None:
    made = table(runs(state=["failed", "failed", "crashed", "finished", "finished", "killed"]), state="state")
    assert any("state == failed or state == crashed or state == killed." in note for note in made.notes)
