"""The files in recipes/: each names its source, is valid, and trains with `ganstudy train` on a few images of its data's shape."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from study.cli import app
from study.spec.files import parse_changes, read_yaml
from study.spec.recipes import load_config, write_config
from trainables.config import TrialConfig
from trainables.data import DATA, Source, load
from trainables.generators import load_generator
from trainables.sections import DataConfig

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
assert RECIPES
SAID = ("Source", "Shows", "Time")  # in every header, in this order; other parts may be between them
SHAPES = {"mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28), "cifar10": (3, 32, 32), "stacked_mnist": (3, 28, 28)}
TINY = ("g.width=8", "d.width=8", "batch_size=8")


def few(config: DataConfig) -> Source:
    """Return noise images of the data's shape. They have no classes, so that no classifier is trained for the evaluator."""
    images = np.random.default_rng(0).integers(0, 256, (150, *SHAPES[config.name]), dtype=np.uint8)
    return Source(name=config.name, train=images[:100], heldout=images[100:])


def header(path: Path) -> dict[str, str]:
    """Return the parts of a recipe's header: "Source" -> its text, with lines joined. The first line is for editors."""
    comment = [line.removeprefix("#").strip() for line in path.read_text().splitlines()[1:] if line.startswith("#")]
    parts = re.split(r"(?:^|\n)(Source|Shows|Differs|Time|Offline|Smaller|Variants)\b[^:]*: ", "\n".join(comment))
    return {"": parts[0], **{name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}}


def suggested(path: Path) -> list[list[str]]:
    """Return the groups of --set changes in a recipe's header. Changes on one line, or between two semicolons, form a group."""
    comment = re.sub(
        r"\(.*?\)", lambda found: f";{found[0][1:-1]};", "\n".join(line for line in path.read_text().splitlines() if line[:1] == "#")
    )
    chunks = [re.findall(r"(?<!\S)[a-z_0-9]+(?:\.[a-z_0-9]+)?=[\w.-]*\w", chunk) for chunk in re.split(r"[;\n]|, or |, --", comment)]
    return [chunk for chunk in chunks if chunk]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_its_source_and_is_valid(path: Path, tmp_path: Path) -> None:
    said = header(path)
    assert said[""].strip()
    assert [name for name in said if name in SAID] == list(SAID)
    assert re.search(r"\b(19|20)\d\d\b", said["Source"]), "the source must have a year"
    assert re.search(r"section|table|algorithm|eq\.|appendix|code|course", said["Source"]), (
        "the source must name a section, table or other place"
    )
    given = read_yaml(path)
    config = load_config(path, {})
    assert config == TrialConfig.from_flat(given)
    assert {name: config.flat()[name] for name in given} == given
    write_config(tmp_path / "config.yaml", config)
    assert load_config(tmp_path / "config.yaml", {}) == config
    for changes in suggested(path):
        load_config(path, parse_changes(changes))
    for steps in re.findall(r"^budget_kimg: .*# ([\d,]+) steps of G", path.read_text(), re.MULTILINE):
        assert 1000 * config.budget_kimg / config.batch_size / config.d_steps * config.g_steps == int(steps.replace(",", ""))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHAPES:
        monkeypatch.setitem(DATA, name, few)
    monkeypatch.setattr("study.show.run_page._page", lambda *args: "")  # a second of plotly; test_train.py looks at it
    config = load_config(path, {})
    kimg = 0.008 * config.d_steps  # one step of G
    changes = [*TINY, f"budget_kimg={kimg}", f"tick_kimg={kimg}", *(["g.depth=1", "d.depth=1"] if config.arch == "mlp" else [])]
    if config.flat()["g.condition"]:
        labels = np.arange(150, dtype=np.int64) % 10
        classes = tuple("0123456789")
        monkeypatch.setitem(
            DATA, config.data.name, lambda data: replace(few(data), train_labels=labels[:100], heldout_labels=labels[100:], classes=classes)
        )
        monkeypatch.setattr("study.evaluation.evaluator.classifier_of", lambda *args, **kwargs: None)
    words = ["train", str(path), "--samples", "100", "--folder", str(tmp_path)]
    result = CliRunner().invoke(app, [*words, *(word for change in changes for word in ("--set", change))], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    last = json.loads((tmp_path / "history.jsonl").read_text().splitlines()[-1])
    assert last["g/updates"] == config.g_steps
    assert np.isfinite(list(last.values())).all()
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["metrics"]["fd"].keys() == {"value", "real"}
    assert f"diagnosis: {found['diagnosis']['outcome']}" in result.output
    assert len(list((tmp_path / "samples").glob("*.png"))) == 3  # real, untrained, trained
    trained = load_generator(tmp_path / "generator.safetensors")
    assert trained.sample(2).shape[1:] == load(config.data).shape
    assert load_config(tmp_path / "config.yaml", {}) == load_config(path, parse_changes(changes))
