"""The JSON Schemas of study files and recipes: as they are shipped, for every file of the repository, and against bad files."""

import json
from pathlib import Path
from typing import Any

import pytest
from bad_studies import BAD, METHODS, good, methods
from fenced import blocks
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs are installed
from random_studies import QUICK, check, studies
from typer.testing import CliRunner

from ganstudy import UserError
from study.cli import app
from study.spec.files import read_yaml
from study.spec.schema import recipe_schema, schema_text, study_schema
from trainables.config import settings
from trainables.fields import meaning_of

ROOT = Path(__file__).parent.parent.parent
STUDIES = sorted((ROOT / "studies").rglob("*.yaml"))
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
OF_STUDIES = Draft202012Validator(study_schema())
OF_RECIPES = Draft202012Validator(recipe_schema())


def test_the_schemas_are_valid_and_the_shipped_files_are_up_to_date() -> None:
    for kind, validator in (("study", OF_STUDIES), ("recipe", OF_RECIPES)):
        Draft202012Validator.check_schema(validator.schema)
        result = CliRunner().invoke(app, ["schema", kind])
        assert result.exit_code == 0
        shipped = ROOT / "schemas" / f"{kind}.json"
        assert shipped.read_text(encoding="utf-8") == result.output, f"run `ganstudy schema {kind} > schemas/{kind}.json`"
    assert CliRunner().invoke(app, ["schema"]).output == schema_text("study")


@pytest.mark.parametrize("path", [*STUDIES, *RECIPES], ids=lambda path: path.stem)
def test_each_study_file_and_recipe_fits_the_schema_that_its_first_line_names(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    kind = "recipe" if path in RECIPES else "study"
    assert first.startswith("# yaml-language-server: $schema=../")
    assert (path.parent / first.partition("=")[2]).resolve() == ROOT / "schemas" / f"{kind}.json"
    assert list((OF_RECIPES if path in RECIPES else OF_STUDIES).iter_errors(read_yaml(path))) == []


def test_each_setting_has_a_meaning_and_a_schema() -> None:
    assert [name for name in settings() if len(meaning_of(name)) < 8] == []
    assert set(OF_RECIPES.schema["properties"]) == set(settings())
    assert set(OF_STUDIES.schema["$defs"]["base"]["properties"]) == set(settings()) - {"seed"}
    for name, value in settings().items():
        assert OF_RECIPES.is_valid({name: value}), name


def test_the_schema_has_the_entries_of_plugins(own_plugins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin of the documentation: a gradient penalty with a number as its target."""
    monkeypatch.chdir(tmp_path)
    (text,) = (block.text for block in blocks("python") if (block.page, block.file) == ("docs/plugins.md", "my_trick.py"))
    Path("my_trick.py").write_text(text)
    for kind, form in (
        ("study", good(base={"gradient_ceiling": True, "gradient_ceiling.target": 2.5})),
        ("recipe", {"gradient_ceiling": True}),
    ):
        assert not {"study": OF_STUDIES, "recipe": OF_RECIPES}[kind].is_valid(form)
        result = CliRunner().invoke(app, ["schema", kind, "--plugin", "my_trick"])
        assert result.exit_code == 0, result.output
        validator = Draft202012Validator(json.loads(result.output))
        assert list(validator.iter_errors(form)) == []
    target = validator.schema["$defs"]["value.gradient_ceiling.target"]
    assert (target["type"], target["exclusiveMinimum"], target["default"]) == ("number", 0, 1.0)
    for plugin, said in (
        ("my_trik", "there is no module my_trik in"),
        ("json", "registers nothing"),
        ("./my_trick.py", "must be the name of a module"),
    ):
        problem = CliRunner().invoke(app, ["schema", "--plugin", plugin]).exception
        assert isinstance(problem, UserError)
        assert said in str(problem)


# What only the settings together make wrong, a schema does not know.
BEYOND = {
    "a setting of a trick that a variant does not turn on",
    "two equal variants",
    "an invalid variant",
    "a setting that a variant sets too",
    "reversed range",
    "setting of a trick that is never on, in the space",
    "setting of an update rule that is never chosen",
    "d_steps of an update rule without them",
    "setting of a trick that is never on, in base",
    "in base and space",
    "in both parts",
    "impossible pair",
    "the wrong way",
    "the wrong way up",
    "one objective twice",
    "a second objective the wrong way",
    "a risk limited from below",
    "a risk of 1",
    "a scheduler without its objective",
    "a scheduler with another objective",
    "grace as long as the budget",
    "no tick before the end",
    "grace after the last tick that can stop a trial",
    "grace at the last of the ticks",
    "factorial of a range",
    "factorial cells",
    "share of GPUs",
    "a gpu beyond the floats",
    "a gpu that is no number",
    "missing plugin",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_study_files_are_rejected(case: str) -> None:
    assert OF_STUDIES.is_valid(BAD[case][0]) == (case in BEYOND)


@pytest.mark.parametrize(
    "recipe",
    [
        {"g.lrr": 1e-3},
        {"g.lr": 0},
        {"g.width": "many"},
        {"loss": "hing"},
        {"r1": "on"},
        {"g": {"lr": 1.0}},
        {"base": {}},
        {"batch_size": 2.5},
        [],
    ],
)
def test_bad_recipes_are_rejected(recipe: Any) -> None:
    assert not OF_RECIPES.is_valid(recipe)


def test_forms_that_study_files_may_have_are_valid() -> None:
    for form in (
        good(),
        methods(),
        good(space="kurach2019_grid"),
        good(space={"scientific": {"method": METHODS}, "nuisance": ["kurach2019", {"g.width": "range"}]}),
        good(base={"data": "digits", "arch": "mlp", "data.classes": [0, 3]}, objective="coverage"),
        good(objectives=["fd", {"coverage": "maximize"}, {"metric": "d/adv", "direction": "minimize"}], constraints={"failed": "<= 0.2"}),
        good(objective={"metric": "d/adv", "direction": "minimize"}, tracking={"wandb": {}, "optuna": "a.log"}),
    ):
        assert list(OF_STUDIES.iter_errors(form)) == []


@QUICK
@given(studies())
def test_what_is_accepted_fits_the_schema(study: dict[str, Any]) -> None:
    if not check(study):
        assert [error.message for error in OF_STUDIES.iter_errors(study)] == []
