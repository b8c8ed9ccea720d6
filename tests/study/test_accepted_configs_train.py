"""What is accepted before a start can be trained: random settings are refused by the checks, or a round of them is trained with the real code."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import needs, source_of

from ganstudy import UserError
from study.engine.prepare import check_networks
from study.spec.domains import at
from study.spec.ranges import RANGES
from study.spec.study_spec import StudySpec
from trainables.config import settings as all_settings
from trainables.fields import schema_of, types_of
from trainables.loop import Diverged
from trainables.run import LOOPS
from trainables.sections import DataConfig

FIXED = ("seed", "budget_kimg", "tick_kimg", "loop", "data", "data.root", "data.download")
NAMES = sorted(name for name in all_settings() if name not in FIXED and not name.startswith("r1"))
EDGES: dict[str, list[Any]] = {  # the smallest values, primes that divide nothing, the ends of shares
    "integer": [1, 2, 3, 5, 7],
    "number": [0.0, 1.0, 0.5, 1e-3],
    "boolean": [True, True, False],
}


@st.composite
def bases(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of a tiny trial with up to five others, each with the settings that it needs."""
    base: dict[str, Any] = {"g.width": 8, "d.width": 8, "latent.dim": 4, "batch_size": 12, "data": "ring8", "arch": "mlp"}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True)):
        schema = schema_of(name)
        words = [word for each in schema.get("anyOf", [schema]) for word in each.get("enum", [])]
        own = [at(RANGES[name].domain, draw(st.floats(0, 0.999)))] if name in RANGES else []
        base |= {other: value for other, value in needs(name).items() if other not in ("arch", "data")}
        edges = [edge for kind in types_of(name) for edge in EDGES.get(kind, [])]
        base[name] = draw(st.sampled_from([*words, *own, *edges] or [all_settings()[name]]))
    for name in ("g.width", "d.width", "latent.dim", "batch_size", "minibatch_discrimination.kernels", "unrolled.steps"):
        if isinstance(base.get(name), int):
            base[name] = min(base[name], 24)  # quick
    return base


def train(base: dict[str, Any]) -> str:
    """Return why the checks refuse the settings; "" if they accept them. Then a round of both their configs is trained."""
    study = {
        "name": "t",
        "question": "q",
        "base": base | {"budget_kimg": 1.0, "tick_kimg": 1.0},
        "space": {"scientific": {"r1": [False, True]}},
        "n_configs": 2,
    }
    try:
        spec = StudySpec.from_dict(study)
        data = spec.corners[0].data
        source = source_of(DataConfig(name=data.name, classes=data.classes, modes=data.modes, dim=data.dim, inner=data.inner))
        check_networks(spec, source)
    except UserError as error:
        return str(error)
    for proposal in spec.designed():
        config = spec.config(proposal.flat)
        kimg = 3 * config.d_steps * config.batch_size / 1000
        run = LOOPS.pick(config.loop)(config.model_copy(update={"budget_kimg": kimg, "tick_kimg": kimg}), source)
        try:
            for _ in run.ticks():
                run.generator().sample(3, seed=0)
        except Diverged:
            continue
    return ""


QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@QUICK
@given(bases())
def test_accepted_settings_train(base: dict[str, Any]) -> None:
    train(base)


@pytest.mark.slow
@settings(QUICK, max_examples=300)
@given(bases())
def test_many_accepted_settings_train(base: dict[str, Any]) -> None:
    train(base)


@pytest.mark.parametrize("where", ["base", "choice", "range", "variant"])
@pytest.mark.parametrize("norm", [{}, {"g.norm": "none", "d.norm": "batch"}])
def test_a_batch_of_one_is_refused_where_a_norm_needs_more(where: str, norm: dict[str, Any]) -> None:
    places: dict[str, dict[str, Any]] = {
        "base": {},
        "choice": {"batch_size": [32, 1]},
        "range": {"batch_size": {"low": 1, "high": 32}},
        "variant": {"size": {"many": {"batch_size": 8}, "one": {"batch_size": 1}}},
    }
    space = {"r1": [False, True], **places[where]}
    base = {"data": "ring8", "arch": "mlp", **norm} | ({"batch_size": 1} if where == "base" else {})
    with pytest.raises(UserError, match="batch_size must be at least 2 with"):
        StudySpec.from_dict({"name": "t", "question": "q", "base": base, "space": {"scientific": space}, "n_configs": 4})


@pytest.mark.parametrize("space", [{"precision": ["tf32", "bf16"]}, {"method": {"plain": {}, "coarse": {"precision": "bf16"}}}])
def test_what_only_building_a_trial_finds_is_refused_before_a_start(space: dict[str, Any]) -> None:
    base = {"data": "ring8", "arch": "mlp", "g.width": 8, "d.width": 8}
    spec = StudySpec.from_dict({"name": "t", "question": "q", "base": base, "space": {"scientific": space}, "n_configs": 2})
    with pytest.raises(UserError, match="precision must be fp32 or tf32 with points"):
        check_networks(spec, source_of(DataConfig(name="ring8")))
