"""The last line of a killed writer is found without reading all records."""

from pathlib import Path

import pytest
from recorded import STUDY

from study.store.store import Store


def test_a_torn_line_longer_than_a_block_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(STUDY)
    whole = store.path.read_bytes()
    for torn in (b"", b"{", b'{"trial": "' + 100 * b"a"):
        for block in (1, 7, len(whole), 10_000):
            monkeypatch.setattr("study.store.store._BLOCK", block)
            store.path.write_bytes(whole + torn)
            with Store.writing(tmp_path):
                assert store.path.read_bytes() == whole
    store.path.write_bytes(b"{torn")
    with Store.writing(tmp_path):
        assert store.path.read_bytes() == b""
