"""StudySpec: invalid study files are refused with one clear message; spaces and designs are as documented."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from bad_studies import BAD, GOOD, good, methods, space
from optuna.distributions import CategoricalDistribution
from toy import TOY

from study.engine.adaptive import point
from study.engine.prepare import check_networks
from study.spec import design
from study.spec.design import DESIGNS
from study.spec.domains import as_given, at, domain, extremes
from study.spec.errors import SpecError
from study.spec.files import parse_changes
from study.spec.planned import name_of
from study.spec.ranges import RANGES
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig, live
from trainables.data import load
from trainables.sections import DataConfig


def rows_of(spec: StudySpec) -> list[dict[str, Any]]:
    """Return the rows of the design of a study."""
    return DESIGNS.pick(name_of(spec.sampler))(spec.space, n_configs=spec.n_configs, design_seed=spec.design_seed)


@pytest.mark.parametrize("case", BAD)
def test_invalid_studies_are_refused_with_the_reason(case: str) -> None:
    given, said = BAD[case]
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        StudySpec.from_dict(given)
    assert "\n" not in str(error.value)


def test_a_message_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: toy\nquestion: why\nn_configs: 4\nbase:\n  data: ring8\n  arch: mlp\n  g.lrr: 1e-3\nspace:\n  scientific:\n    r1: [false, true]\n"
    )
    with pytest.raises(ValueError, match=r"s\.yaml, line 7: no setting named 'g\.lrr'"):
        StudySpec.load(path)
    path.write_text("name: [unclosed\n")
    with pytest.raises(ValueError, match=r"s\.yaml, line 1 must be YAML: a bracket is opened and not closed"):
        StudySpec.load(path)
    path.write_text("name: a\nname: b\n")
    with pytest.raises(ValueError, match="line 2 must be YAML: the key 'name' is there twice; remove one"):
        StudySpec.load(path)
    with pytest.raises(ValueError, match="must be a file"):
        StudySpec.load(tmp_path / "none.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ValueError, match=r"folder\.yaml must be a file; it is a folder$"):
        StudySpec.load(tmp_path / "folder.yaml")


FILE = """name: x
question: q
base:
  data: ring8
  arch: mlp
  g.width: 8
  d.width: 8
space:
  scientific:
    method:
      plain: {}
      other:
        d.lr: 1.0e-3
        loss: hinge
  nuisance:
    g.lr:
      low: 1.0e-4
      high: 1.0e-2
      log: true
n_configs: 4
plugins:
  - one_signal
  - another_signal
objective:
  direction: minimize
  metric: fd
tracking:
  optuna: a.log
  wandb: {}
"""


def written(folder: Path) -> Path:
    """Write the study file, and its plugins beside it."""
    for name in ("one_signal", "another_signal"):
        (folder / f"{name}.py").write_text(f"from trainables.signal_names import SIGNALS\nSIGNALS['d/{name}'] = 'a signal'")
    (folder / "s.yaml").write_text(FILE)
    return folder / "s.yaml"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("d.width: 8", "d.width: 8.5", 7),
        ("arch: mlp", "arch: mlpp", 5),
        ("data: ring8", "data: ring9", 4),
        ("loss: hinge", "loss: hinges", 14),
        ("d.lr: 1.0e-3", "d.lr: -1.0", 13),
        ("high: 1.0e-2", "high: x", 18),
        ("low: 1.0e-4", "low: 0", 17),
        ("log: true", "log: yes", 19),
        ("      low: 1.0e-4\n      high: 1.0e-2\n      log: true", "      low: -1.0\n      high: 1.0", 16),
        ("- another_signal", "- no_such_module", 23),
        ("metric: fd", "metric: fdd", 26),
        ("metric: fd", "metric: mode_spread", 26),
        ("wandb: {}", "wandbb: {}", 29),
        ("wandb: {}", "wandb: {mode: of}", 29),
    ],
)
@pytest.mark.usefixtures("own_plugins")
def test_an_error_names_the_line_of_its_key(tmp_path: Path, old: str, new: str, line: int) -> None:
    file = written(tmp_path)
    assert StudySpec.load(file).objective.metric == "fd"
    file.write_text(FILE.replace(old, new))
    with pytest.raises(SpecError, match=rf"s\.yaml, line {line}: "):
        StudySpec.load(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [("d.width", 8.5), ("n_configs", -3), ("objective", "fdd"), ("objective.metric", "fdd"), ("evaluation.samples", 3), ("g.widht", 8)],
)
@pytest.mark.usefixtures("own_plugins")
def test_an_error_in_a_change_names_the_change(tmp_path: Path, name: str, value: object) -> None:
    file = written(tmp_path)
    with pytest.raises(SpecError, match=rf"^--set {name}: "):
        StudySpec.load(file, {"seeds": 2, name: value})
    file.write_text(FILE.replace("d.width: 8", "d.depth: -1"))
    with pytest.raises(SpecError, match=r"s\.yaml, line 7: "):
        StudySpec.load(file, {"seeds": 2})


@pytest.mark.parametrize("statement", ["import sys; sys.exit(0)", "raise KeyError('x')", "(", "raise SystemExit('bye')"])
def test_a_plugin_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    (tmp_path / "ends_it.py").write_text(statement)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError, match="the plugin 'ends_it' must be importable; it raised "):
        StudySpec.from_dict(good(plugins=["ends_it"]))


def test_yaml_1_2_reads_numbers_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: toy\nquestion: why\nn_configs: 4\nbase: {data: ring8, arch: mlp, g.lr: 1e-4}\nspace:\n  scientific:\n    r1: [false, true]\n"
    )
    assert StudySpec.load(path).base["g.lr"] == 1e-4
    changed = StudySpec.load(path, parse_changes(["budget_kimg=5", "seeds=3", "resources.gpu=0.25", "tracking.wandb.mode=offline"]))
    assert (changed.base["budget_kimg"], changed.seeds, changed.resources.gpu) == (5, 3, 0.25)
    assert changed.tracking.wandb
    assert changed.tracking.wandb.mode == "offline"
    with pytest.raises(ValueError, match="r1 varies in this study"):
        StudySpec.load(path, {"r1": True})
    with pytest.raises(ValueError, match="NAME=VALUE"):
        parse_changes(["seeds"])


def test_a_constraint_can_be_given_on_the_command_line() -> None:
    """In YAML a value that begins with > would begin a block of lines."""
    given = parse_changes(["constraints.coverage=>= 0.5", "constraints.kl= > 0", "constraints.failed=<= 0.2"])
    assert given == {"constraints.coverage": ">= 0.5", "constraints.kl": "> 0", "constraints.failed": "<= 0.2"}


@pytest.mark.parametrize(
    "change", [{}, {"sampler": "random"}, {"goal": "optimise", "scheduler": {"grace_kimg": 0.5}}, {"tracking": {"wandb": {}}}]
)
def test_from_dict_inverts_as_dict(change: dict[str, Any]) -> None:
    spec = StudySpec.from_dict(good(**change))
    assert StudySpec.from_dict(spec.as_dict()) == spec


@pytest.mark.parametrize("where", ["base", "scientific", "nuisance"])
def test_a_trick_for_images_is_refused_for_points(where: str) -> None:
    if where == "base":
        changed = good(base=GOOD["base"] | {"diffaugment": True})
    else:
        changed = good(space=space(**{where: GOOD["space"][where] | {"diffaugment": [False, True]}}))
    spec = StudySpec.from_dict(changed)
    with pytest.raises(ValueError, match=r"diffaugment needs images .*; the data are points of shape \(2,\)"):
        check_networks(spec, load(DataConfig(name="ring8")))
    check_networks(StudySpec.from_dict(GOOD), load(DataConfig(name="ring8")))


def test_networks_are_checked_against_the_data() -> None:
    """Exactly the combinations that the study's trials can have are checked."""
    ring = load(DataConfig(name="ring8"))
    without_arch = {"data": "ring8", "budget_kimg": 1.0}  # the default architecture is for images
    method = {"points": {"arch": "mlp"}, "deep": {"arch": "mlp", "g.depth": 3}}
    check_networks(StudySpec.from_dict(good(base=without_arch, space={"scientific": {"method": method}})), ring)
    method["points"] = {"arch": "dcgan"}
    with pytest.raises(ValueError, match=r"arch: dcgan needs square images .* the data are \(2,\)"):
        check_networks(StudySpec.from_dict(good(base=without_arch, space={"scientific": {"method": method}})), ring)
    outputs = {"scientific": {"g.output": ["tanh", "sigmoid"]}}
    with pytest.raises(ValueError, match=r"g.output: sigmoid needs images, as points have no bounds"):
        check_networks(StudySpec.from_dict(good(space=outputs)), ring)
    check_networks(StudySpec.from_dict(good(base=GOOD["base"] | {"data": "digits"}, space=outputs)), load(DataConfig(name="digits")))


def test_the_objective_takes_its_direction_from_the_metric() -> None:
    assert StudySpec.from_dict(good(objective="coverage")).objective.direction == "maximize"
    assert StudySpec.from_dict(GOOD).objective.direction == "minimize"


@pytest.mark.parametrize("name", RANGES)
def test_every_range_maps_quantiles_to_its_values(name: str) -> None:
    distribution = RANGES[name].domain
    values = [at(distribution, u) for u in np.linspace(0, 1 - 1e-12, 201)]
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in values)
    if isinstance(distribution, CategoricalDistribution):
        assert set(values) == set(distribution.choices)
    else:
        assert sorted(values) == values
        assert (values[0], values[-1]) == tuple(pytest.approx(bound) for bound in extremes(distribution))
    assert domain(name, as_given(distribution), ()) == distribution


def test_settings_of_tricks_that_are_off_are_left_out() -> None:
    assert live({"r1": False, "r1.gamma": 1.0, "g.lr": 1.0}) == {"r1": False, "g.lr": 1.0}
    spec = StudySpec.from_dict(GOOD)
    for flat in (proposal.flat for proposal in spec.designed()):
        assert ("r1.gamma" in flat) == flat["r1"]
        TrialConfig.from_flat(flat)


def test_settings_of_update_rules_apply_where_their_rule_is_chosen() -> None:
    assert live({"update": "unrolled", "lookahead.k": 5, "unrolled.steps": 2}) == {"update": "unrolled", "unrolled.steps": 2}
    rules = {"update": ["alternating", "lookahead", "unrolled"]}
    settings = {"lookahead.k": "range", "lookahead.alpha": "range", "unrolled.steps": "range"}
    spec = StudySpec.from_dict(good(space=space(scientific=rules, nuisance=settings), base={"r1": True}))
    proposed = [point(spec, optuna.create_study().ask()) for _ in range(12)]
    for flat in (*(proposal.flat for proposal in spec.designed()), *proposed):
        assert {name for name in flat if name in settings} == {name for name in settings if name.partition(".")[0] == flat["update"]}
        TrialConfig.from_flat({**spec.base, **flat})
    assert len({proposal.flat["update"] for proposal in spec.designed()}) == 3


@pytest.mark.parametrize("sampler", list(DESIGNS))
def test_a_longer_design_begins_with_the_shorter(sampler: str) -> None:
    short, long = (rows_of(StudySpec.from_dict(good(sampler=sampler, n_configs=n))) for n in (6, 24))
    assert long[:6] == short
    seeds = [proposal.flat["seed"] for proposal in StudySpec.from_dict(good(sampler=sampler, n_configs=24, seeds=3)).designed()]
    assert len(set(seeds)) == 72
    other = [
        proposal.flat["seed"] for proposal in StudySpec.from_dict(good(sampler=sampler, n_configs=24, seeds=3, design_seed=1)).designed()
    ]
    assert not set(seeds) & set(other)


def test_each_cell_of_a_factorial_covers_the_ranges_of_the_nuisance_settings() -> None:
    """Otherwise scientific settings are confounded with nuisance settings. 16 rounds: about 4 of each cell in each quarter of the range."""
    space = {"scientific": {"r1": [False, True], "ema": [False, True]}, "nuisance": {"d.lr": {"low": 1e-4, "high": 1e-2, "log": True}}}
    flats = [
        proposal.flat
        for seed in range(5)
        for proposal in StudySpec.from_dict(good(sampler="factorial", n_configs=64, design_seed=seed, space=space)).designed()
    ]
    for cell in product([False, True], repeat=2):
        place = [(np.log10(flat["d.lr"]) + 4) / 2 for flat in flats if (flat["r1"], flat["ema"]) == cell]
        quarters = np.bincount((np.array(place) * 4).astype(int), minlength=4)
        assert len(place) == 80
        assert quarters.min() >= 10


def test_a_longer_factorial_begins_with_the_shorter_one() -> None:
    space = {"scientific": {"r1": [False, True], "ema": [False, True]}, "nuisance": {"d.lr": "range"}}
    short, long = (StudySpec.from_dict(good(sampler="factorial", n_configs=n, space=space)).designed() for n in (8, 20))
    assert long[:8] == short


def test_a_factorial_has_every_cell_equally_often() -> None:
    spec = StudySpec.from_dict(
        good(sampler="factorial", n_configs=None, space={"scientific": {"r1": [False, True], "loss": ["hinge", "minimax", "wasserstein"]}})
        | {"n_configs": 12}
    )
    cells = design.factorial(spec.space)
    rows = rows_of(spec)
    assert len(cells) == 6
    assert all(rows.count(cell) == 2 for cell in cells)
    left_out = {k: v for k, v in spec.as_dict().items() if k != "n_configs"}
    assert StudySpec.from_dict(left_out).n_configs == 6


def test_a_sobol_design_is_balanced() -> None:
    rows = rows_of(StudySpec.from_dict(good(n_configs=64, sampler="sobol")))
    assert sum(row["r1"] for row in rows) == 32
    logs = np.log10([row["g.lr"] for row in rows])
    assert np.histogram(logs, bins=8, range=(-4, -2))[0].tolist() == [8] * 8


def test_a_spec_error_has_the_path_of_keys() -> None:
    with pytest.raises(SpecError) as error:
        domain("g.lr", {"low": 2, "high": 1}, ("space", "nuisance", "g.lr"))
    assert error.value.where == ("space", "nuisance", "g.lr")


def test_a_variant_stands_for_its_settings() -> None:
    spec = StudySpec.from_dict({**methods(slow={"g.lr": 1e-5}), "sampler": "factorial", "n_configs": 6})
    proposals = spec.designed()
    assert sorted(each.variants["method"] for each in proposals) == ["clipped", "clipped", "plain", "plain", "slow", "slow"]
    for each in proposals:
        config = TrialConfig.from_flat(each.flat)
        assert config.loss == ("wasserstein" if each.variants["method"] == "clipped" else "nonsaturating")
        assert config.tricks == ({"weight_clipping": {"limit": 0.02}} if each.variants["method"] == "clipped" else {})
        assert config.g.lr == (1e-5 if each.variants["method"] == "slow" else 2e-4)
        assert "method" not in each.flat
    assert StudySpec.from_dict(spec.as_dict()) == spec
    assert StudySpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


def test_a_setting_applies_where_a_variant_turns_its_trick_on() -> None:
    given = good(goal="optimise", space={"scientific": {"method": {"plain": {}, "r": {"r1": True}}}, "nuisance": {"r1.gamma": "range"}})
    spec, trial = StudySpec.from_dict(given), optuna.create_study().ask
    found = [point(spec, trial()) for _ in range(30)]
    assert {each["method"] for each in found} == {"plain", "r"}
    for each in found:
        assert ("r1.gamma" in each) == (each["method"] == "r")
        assert spec.config(each).tricks.keys() == ({"r1"} if each["method"] == "r" else set())


@pytest.mark.parametrize(
    ("name", "meant"),
    [("n_config", "'n_configs', a key"), ("sedes", "'seeds', a key"), ("g.wdth", "'g.width'"), ("bugdet_kimg", "'budget_kimg'")],
)
def test_a_key_of_the_study_that_is_misspelt_as_a_setting_is_named(name: str, meant: str, tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(json.dumps(TOY))
    with pytest.raises(SpecError, match=f"--set {name}: no setting named '{name}'; did you mean {meant}"):
        StudySpec.load(file, {name: 3})
