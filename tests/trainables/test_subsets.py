"""Classes, long tails and stacks: which rows they contain and how they are labelled."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import prepared, small

from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.data.subsets import with_tail
from trainables.sections import DataConfig

DIGITS = load(DataConfig())


def labels(source: Source) -> tuple[np.ndarray, np.ndarray]:
    assert source.train_labels is not None
    assert source.heldout_labels is not None
    return source.train_labels, source.heldout_labels


def counts(source: Source) -> list[list[int]]:
    return [np.bincount(part, minlength=len(source.classes)).tolist() for part in labels(source)]


# Classes ---------------------------------------------------------------------------------------------


def test_classes_select_their_rows_in_both_parts() -> None:
    source = load(DataConfig(classes=[7, 0, 3]))  # type: ignore[arg-type]
    assert source.classes == ("0", "3", "7")
    for part, theirs, known, all_known in zip(
        (source.train, source.heldout), (DIGITS.train, DIGITS.heldout), labels(source), labels(DIGITS), strict=True
    ):
        rows = np.isin(all_known, [0, 3, 7])
        assert np.array_equal(part, theirs[rows])
        assert np.array_equal(np.array([0, 3, 7])[known], all_known[rows])
    assert source.whole == DataConfig()
    assert source.of_whole is not None
    assert source.of_whole.tolist() == [[0], [3], [7]]


@pytest.mark.parametrize("given", [[7, 0, 3], ["3", "0", "7"], (0, 3, 7), "0,3,7", " 7, 0 ,3", "0,3,7,3"])
def test_classes_have_one_canonical_form(given: Any) -> None:
    """YAML files use a list; records, tables and W&B use text. Both give the same config."""
    config = TrialConfig.from_flat({"data.classes": given})
    assert config.flat()["data.classes"] == "0,3,7"
    assert config.config_id == TrialConfig.from_flat({"data.classes": "0,3,7"}).config_id
    assert config.config_id != TrialConfig().config_id


def test_numbers_are_sorted_before_names() -> None:
    assert DataConfig(classes=["b", 10, 9, "a"]).classes == "9,10,a,b"  # type: ignore[arg-type]


def test_a_name_has_priority_over_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With folders named 1 and 2, "1" is the folder of that name, not the second class."""
    settings = prepared("image_folder", tmp_path, monkeypatch)
    for old, new in (("cat", "1"), ("dog", "2")):
        (tmp_path / "pictures" / old).rename(tmp_path / "pictures" / new)
    assert load(settings.model_copy(update={"classes": "1"})).classes == ("1",)
    assert load(settings.model_copy(update={"classes": "0"})).classes == ("1",)
    with pytest.raises(ValueError, match="a name and a number are the same class"):
        load(settings.model_copy(update={"classes": "0,1"}))


def test_a_mixture_keeps_the_centres_of_its_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    whole, source = load(DataConfig(name="grid")), load(DataConfig(name="grid", classes=[24, 3]))  # type: ignore[arg-type]
    assert whole.centres is not None
    assert source.centres is not None
    assert np.array_equal(source.centres, whole.centres[[3, 24]])
    assert np.abs(source.train - source.centres[source.train_labels]).max() < 0.5
    assert source.whole is None  # points need no classifier


# Long tails ------------------------------------------------------------------------------------------


def test_the_tail_matches_cifar10_lt() -> None:
    """Class sizes published for CIFAR-10-LT with ratio 100: from 5,000 rows per class, and a fifth of them from 1,000."""
    rows = {n: np.repeat(np.arange(10), n) for n in (5000, 1000)}
    full = Source(
        name="x",
        train=np.zeros((50_000, 2), np.float32),
        heldout=np.zeros((10_000, 2), np.float32),
        train_labels=rows[5000],
        heldout_labels=rows[1000],
        classes=tuple("0123456789"),
    )
    train, heldout = counts(with_tail(full, DataConfig(imbalance=100)))
    assert train == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert heldout == [n // 5 for n in train]


@pytest.mark.parametrize("ratio", [1, 2, 10, 40])
def test_both_parts_have_the_requested_ratio(ratio: float) -> None:
    source = load(DataConfig(imbalance=ratio))
    for kept, there in zip(counts(source), counts(DIGITS), strict=True):
        assert sorted(kept, reverse=True) == kept
        assert kept[0] / kept[-1] == pytest.approx(ratio, rel=0.5 if kept[-1] < 4 else 0.15)  # rounded to whole rows
        assert all(k <= n for k, n in zip(kept, there, strict=True))
        assert any(n - k <= 1 for k, n in zip(kept, there, strict=True))  # at least one class keeps all its rows
    assert source.whole == DataConfig()
    assert source.of_whole is not None
    assert source.of_whole.ravel().tolist() == list(range(10))


def test_a_longer_tail_is_a_subset_of_a_shorter_one() -> None:
    short, long = ({row.tobytes() for row in load(DataConfig(imbalance=ratio)).train} for ratio in (5, 20))
    assert long < short < {row.tobytes() for row in DIGITS.train}


def test_classes_are_selected_before_the_tail() -> None:
    source = load(DataConfig(classes=[9, 1], imbalance=4))  # type: ignore[arg-type]
    (first, last), _ = counts(source)
    assert (source.classes, first / last) == (("1", "9"), pytest.approx(4, rel=0.05))  # type: ignore[comparison-overlap]
    assert source.whole == DataConfig()
    assert source.of_whole is not None
    assert source.of_whole.ravel().tolist() == [1, 9]


def test_a_mixture_can_have_a_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    for part in counts(load(DataConfig(name="ring", imbalance=10))):
        assert part[0] / part[-1] == pytest.approx(10, rel=0.05)


# Stacks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stacked_mnist", "stacked_fashion"])
def test_each_channel_shows_its_digit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = prepared(name, tmp_path, monkeypatch)
    source = load(settings)
    single = load(settings.model_copy(update={"name": {"stacked_mnist": "mnist", "stacked_fashion": "fashion_mnist"}[name]}))
    assert (source.shape, len(source.classes)) == ((3, 28, 28), 1000)
    for stacked, modes, pictures, known in zip(
        (source.train, source.heldout), labels(source), (single.train, single.heldout), labels(single), strict=True
    ):
        class_of = {picture.tobytes(): label for picture, label in zip(pictures, known, strict=True)}
        for row, mode in zip(stacked[:50], modes[:50], strict=True):
            assert mode == sum(100 // 10**c * class_of[row[c].tobytes()] for c in range(3))  # so it is also from the same part of the split
    assert source.classes[123] == ("123" if name == "stacked_mnist" else "Trouser + Pullover + Dress")
    assert source.whole == settings.model_copy(update={"name": single.name})
    assert source.of_whole is not None
    assert source.of_whole[123].tolist() == [1, 2, 3]


def test_classes_and_tail_of_a_stack_apply_to_its_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = prepared("stacked_mnist", tmp_path, monkeypatch)
    source = load(settings.model_copy(update={"classes": "1,4"}))
    assert source.classes == ("111", "114", "141", "144", "411", "414", "441", "444")
    assert source.of_whole is not None
    assert source.of_whole[3].tolist() == [1, 4, 4]
    assert min(counts(source)[0]) > 0
    tailed = DataConfig(name="stacked_fashion", classes="1,4", imbalance=3)  # reads the Debian package; each channel has ratio 3
    first, *_, last = counts(load(tailed))[0]
    assert first / last == pytest.approx(27, rel=0.5)


# Invalid settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": "0,12"}, "there is no '12'"),
        ({"name": "fashion_mnist", "classes": ["Ankle boots"]}, "there is no 'Ankle boots'; did you mean 'Ankle boot'"),
        ({"name": "spiral", "classes": [0]}, "data.classes needs labelled data; spiral has no labels"),
        ({"name": "spiral", "imbalance": 2}, "data.imbalance needs labelled data; spiral has no labels"),
        ({"imbalance": 1000}, r"must keep at least one row of each class; 1000 keeps none of '\d' in digits.train, whose classes have"),
        ({"classes": []}, r"data.classes must name at least one class, such as \[0, 3\] or \[Bag, Coat\]; given \[\]"),
        ({"classes": [0, ""]}, "data.classes must name at least one class"),
        ({"classes": [True]}, "valid string"),
        ({"classes": 1.5}, "valid string"),
        ({"imbalance": 0.5}, "greater than or equal to 1"),
    ],
)
def test_invalid_settings_are_refused_with_the_reason(settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    with pytest.raises(ValueError, match=message):
        load(DataConfig(**settings))
