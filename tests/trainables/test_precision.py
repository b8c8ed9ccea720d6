"""Number formats: bf16 computes the networks of training in bfloat16 and everything else in float32; the others have no effect on a CPU."""

import pytest
import torch
from tiny import equal, tiny
from torch import Tensor, nn

from ganstudy import UserError
from trainables.effective import effective

DIGITS = {"arch": "dcgan", "data": "digits", "r1": True}


def dtypes(net: nn.Module) -> set[torch.dtype]:
    """Return a set that collects the formats of the outputs of all convolutions from now on."""
    found: set[torch.dtype] = set()

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.add(output.dtype)

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(note)
    return found


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("more", [{}, {"feature_matching": True}, {"g.condition": "concat", "d.condition": "auxiliary"}], ids=str)
def test_networks_train_in_the_format_and_are_evaluated_in_float32(precision: str, dtype: torch.dtype, more: dict[str, object]) -> None:
    run = tiny({**DIGITS, **more, "precision": precision})
    g, d = dtypes(run.nets.g), dtypes(run.nets.d)
    run.round()
    assert g == d == {dtype}
    assert all(p.dtype is torch.float32 for net in (run.nets.g, run.nets.d) for p in net.parameters())
    g.clear()
    assert run.generator().sample(4).dtype is torch.float32
    assert g == {torch.float32}
    assert effective(run)["precision"] == precision


def test_bf16_learns_what_float32_learns_up_to_rounding() -> None:
    coarse, fine = tiny({**DIGITS, "precision": "bf16"}), tiny(DIGITS)
    signals = [list(run.ticks())[-1].signals for run in (coarse, fine)]
    assert signals[0].keys() == signals[1].keys()
    assert signals[0] != signals[1]
    for name in ("d/adv", "g/adv", "d/real_logit"):
        assert signals[0][name] == pytest.approx(signals[1][name], abs=0.05)


def test_fp32_and_tf32_are_the_same_on_a_cpu() -> None:
    runs = [tiny({**DIGITS, "precision": precision}) for precision in ("fp32", "tf32")]
    ticks = [list(run.ticks()) for run in runs]
    assert ticks[0] == ticks[1]
    assert equal(*(run.state_dict() for run in runs))


def test_bf16_is_refused_for_points() -> None:
    with pytest.raises(
        UserError, match=r"precision must be fp32 or tf32 with points, whose positions bfloat16 rounds too much; given bf16"
    ):
        tiny({"precision": "bf16"})
