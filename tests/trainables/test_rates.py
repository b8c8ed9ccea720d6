"""Learning rates, schedules and gradient clipping, against manual computations."""

import math

import pytest
import torch
from tiny import tiny
from torch import Tensor

from trainables.effective import effective
from trainables.schedules import between, fade, rise
from trainables.tricks.base import make_trick


@pytest.mark.parametrize(
    ("shape", "values"), [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25]), ("cosine", [1, 0.5 + 8**-0.5, 0.5, 0.5 - 8**-0.5])]
)
def test_schedules_at_known_times(shape: str, values: list[float]) -> None:
    """At 0, 1/4, 1/2 and 3/4 of the way; 0 from the end on."""
    assert [fade(t, 0.4, shape) for t in (0.0, 0.1, 0.2, 0.3)] == pytest.approx(values)  # type: ignore[arg-type]
    assert fade(0.4, 0.4, shape) == fade(0.9, 0.4, shape) == fade(0.0, 0.0, shape) == 0  # type: ignore[arg-type]
    assert [rise(t, 0.4) for t in (0.0, 0.1, 0.4, 0.9)] == [0.0, 0.25, 1.0, 1.0]
    assert rise(0.0, 0.0) == 1.0
    assert [between(3.0, 1.0, left) for left in (1.0, 0.5, 0.0)] == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "factors"),  # at 0, 1/4, 1/2 and 3/4 of the budget
    [
        ({}, [1, 0.75, 0.5, 0.25]),
        ({"start": 0.5}, [1, 1, 1, 0.5]),
        ({"end": 0.2}, [1, 0.8, 0.6, 0.4]),
        ({"shape": "constant", "warmup": 0.5}, [0, 0.5, 1, 1]),
        ({"shape": "cosine", "warmup": 0.25}, [0, 0.5 + 8**-0.5, 0.5, 0.5 - 8**-0.5]),
    ],
)
def test_lr_schedule_sets_both_learning_rates(settings: dict[str, object], factors: list[float]) -> None:
    """Checked at every step of a run. The effective settings of an untrained run are the configured rates."""
    schedule = make_trick("lr_schedule", settings)
    assert [schedule.rate(t / 4) for t in range(4)] == pytest.approx(factors)
    run = tiny(
        {"lr_schedule": True, "g.lr": 1e-3, "d.lr": 3e-3, **{f"lr_schedule.{setting}": value for setting, value in settings.items()}}
    )
    assert (effective(run)["g.lr"], effective(run)["d.lr"]) == (1e-3, 3e-3)
    seen = []
    step = run.d_step

    def watched() -> dict[str, Tensor]:
        seen.append((run.images / 144, float(run.g_opt.param_groups[0]["lr"]), float(run.d_opt.param_groups[0]["lr"])))
        return step()

    run.d_step = watched  # type: ignore[method-assign]
    list(run.ticks())
    assert len(seen) == 12
    for t, g_lr, d_lr in seen:
        assert (g_lr, d_lr) == pytest.approx((1e-3 * schedule.rate(t), 3e-3 * schedule.rate(t)))


@pytest.mark.parametrize("limit", [1e-3, 0.1, 1e6])
def test_clipping_scales_long_gradients_only(limit: float) -> None:
    """Gradients of both networks are scaled down to the limit if longer. The reported norm is the one before clipping."""
    clipped, plain = tiny({"gradient_clipping": True, "gradient_clipping.norm": limit}), tiny()
    for side, ours, theirs in (("d", clipped.d_step(), plain.d_step()), ("g", clipped.g_step(), plain.g_step())):
        if side == "d":
            torch.testing.assert_close(ours["d/grad_norm"], theirs["d/grad_norm"])
            plain.nets.d.load_state_dict(clipped.nets.d.state_dict())  # so that G's gradients are comparable
        grads = [torch.cat([p.grad.flatten() for p in getattr(run.nets, side).parameters()]) for run in (clipped, plain)]
        norm = grads[1].norm().item()
        torch.testing.assert_close(grads[0], grads[1] * min(1.0, limit / norm), rtol=1e-4, atol=1e-8)
        assert math.isfinite(norm)
