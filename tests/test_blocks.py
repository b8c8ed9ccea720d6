"""Every code block of the documentation: commands parse, study files and recipes are valid. test_blocks_run.py runs them."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from fenced import ROOT, Block, blocks, inline_commands, shell_lines, words_of
from ruamel.yaml import YAML
from toy import TOY

from study.cli import app
from study.spec.recipes import load_config
from study.spec.study_spec import StudySpec

# Program -> why no test runs it. A new program needs a reason, or a test.
NOT_RUN = {
    "source": "it changes the shell that calls it",
    "pip": "it needs a package index",
    "pre-commit": "it changes the clone that runs the tests",
    "docker": "it builds an image, from an index and a registry",
    "kubectl": "it needs a Kubernetes cluster; test_deploy.py checks the file",
    "ray": "it needs machines to log in to; test_deploy.py checks the file against Ray's schema",
    "sbatch": "it needs SLURM; test_deploy.py runs the script with stand-ins for its commands",
    "tensorboard": "it serves until it is stopped; test_tensorboard_tracker.py reads the event files with its reader",
    "optuna-dashboard": "it serves until it is stopped; test_optuna_tracker.py opens the storage in it",
}
_STANDS_FOR = {"N": "3", "TRIAL": "4d79"}  # a word of the texts that an option would not take


def parse(line: str) -> None:
    """Parse a command with the real command line, without running it. Raises click's UsageError."""
    program, name, *words = words_of(line)
    assert program == "ganstudy"
    group: Any = typer.main.get_command(app)
    with group.make_context(program, [name, *words]) as context:
        _, command, rest = group.resolve_command(context, [name, *words])
        command.make_context(name, rest, parent=context).close()


def check_targets(words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words if "=" not in word} <= set(targets)


def test_every_block_has_a_language() -> None:
    assert not [str(block) for block in blocks() if block.language not in ("sh", "yaml", "python", "text")]


@pytest.mark.parametrize(("place", "line"), shell_lines(), ids=lambda value: value)
def test_a_command_exists_and_takes_its_arguments(place: str, line: str) -> None:
    program, *words = words_of(line)
    if program == "ganstudy":
        parse(line)
        for file in (word for word in words if word.startswith(("studies/", "recipes/"))):
            assert (ROOT / file).is_file()
    elif program == "make":
        check_targets(words)
    elif program == "python" and words[0] == "-m":
        assert importlib.util.find_spec(words[1])
    else:
        assert program in NOT_RUN, f"{place}: run {program} in a test, or say in NOT_RUN why not"


@pytest.mark.parametrize(("place", "line"), sorted(set(inline_commands())), ids=lambda value: value)
def test_a_command_within_a_text_takes_its_arguments(place: str, line: str) -> None:
    program, *words = (_STANDS_FOR.get(word, word.replace("=N", "=3")) for word in words_of(line))
    if program == "make":
        check_targets(words)
        return
    try:
        parse(shlex.join([program, *words]))
    except Exception as error:
        # texts name commands without their arguments; everything that they do name must exist
        if type(error).__name__ != "MissingParameter":
            raise


def test_no_reason_is_left_over() -> None:
    assert set(NOT_RUN) <= {words_of(line)[0] for _, line in shell_lines()}


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_yaml_block_is_a_valid_study_file_or_recipe(block: Block, tmp_path: Path) -> None:
    given = YAML(typ="safe").load(block.text)
    modules = {each.file for each in blocks("python")}
    assert {f"{name}.py" for name in given.pop("plugins", [])} <= modules  # imported by test_blocks_run.py
    if not given:
        return
    if not set(given) & set(StudySpec.model_fields):
        (tmp_path / "recipe.yaml").write_text(block.text)
        assert load_config(tmp_path / "recipe.yaml", {})
    elif "name" in given:
        space = given["space"]
        for part in space:  # without the trick of the tutorial's plugin
            space[part] = {name: domain for name, domain in space[part].items() if not name.startswith("logit_penalty")}
        assert StudySpec.from_dict(given).n_trials > 1
    else:  # a part of a study file: it must be valid in one
        size = {} if "phases" in given else {"n_configs": 4}
        assert StudySpec.from_dict({"name": "part", "question": "Which?", **size, "space": TOY["space"], **given})
