"""Files that a user chooses for output must not replace what a study wrote."""

from pathlib import Path

import pytest

from ganstudy import UserError
from study.store.layout import Layout, not_records


def test_no_output_replaces_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Layout(tmp_path).records, Path("records.jsonl"), tmp_path / "other" / ".." / "records.jsonl"):
        with pytest.raises(UserError, match="--out must not be the records of a study; given "):
            not_records(path)
    assert not_records(tmp_path / "g.safetensors") == tmp_path / "g.safetensors"
