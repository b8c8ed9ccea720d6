"""All settings as plain values, from which a process without torch completes the settings of a trial."""

import json
from typing import Any

import pytest

from ganstudy.known_settings import KnownSettings
from trainables.config import TrialConfig, known_settings, lives, settings

CONFIGS: list[dict[str, Any]] = [
    {},
    {"arch": "mlp", "data": "ring8"},
    {"r1": True, "r1.gamma": 2.0, "g.activation": "leaky_relu"},
    {"optimiser": "sgd", "d.optimiser": "adamw", "update": "lookahead"},
    {"loss": "energy", "latent.distribution": "truncated", "ema": True, "data": "grid"},
]


@pytest.mark.parametrize("flat", CONFIGS)
def test_settings_are_completed_alike_where_only_json_is_left(flat: dict[str, Any]) -> None:
    known = KnownSettings.from_dict(json.loads(json.dumps(known_settings().as_dict())))
    whole = TrialConfig.from_flat(flat).flat()
    assert known.completed(flat) == {name: value for name, value in whole.items() if lives(name, whole)}
    assert known.live({**known.defaults, **flat}).keys() - known.tricks == known.completed(flat).keys() - known.tricks
    assert dict(known.defaults) == dict(settings())
