"""Convolutions with a second derivative of our own are PyTorch's, and so are their derivatives of every order."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from trainables.models.convolutions import Conv2d, twice_differentiable

SIZES = [  # channels in and out, side, kernel, stride, padding, groups
    (3, 4, 6, 3, 1, 1, 1),
    (4, 6, 8, 4, 2, 1, 1),
    (4, 4, 5, 3, 1, 1, 2),
    (4, 4, 4, 4, 1, 0, 4),
    (2, 3, 5, 1, 2, 0, 1),
]
every_size = pytest.mark.parametrize("size", SIZES)


def inputs(size: tuple[int, ...], *, bias: bool) -> tuple[list[Tensor], Callable[..., Tensor], Callable[..., Tensor]]:
    """Return double-precision inputs and both convolutions as functions of them."""
    torch.manual_seed(0)
    channels, out, side, kernel, stride, padding, groups = size
    shapes = [(2, channels, side, side), (out, channels // groups, kernel, kernel), *([(out,)] if bias else [])]
    tensors = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def ours(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return twice_differentiable(x, weight, bias, (stride, stride), (padding, padding), groups)

    def theirs(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return conv2d(x, weight, bias, stride, padding, 1, groups)

    return tensors, ours, theirs


@every_size
@pytest.mark.parametrize("bias", [False, True])
def test_first_and_second_derivatives_are_those_of_finite_differences(size: tuple[int, ...], bias: bool) -> None:
    tensors, ours, theirs = inputs(size, bias=bias)
    torch.testing.assert_close(ours(*tensors), theirs(*tensors))
    assert torch.autograd.gradcheck(ours, tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(ours, tensors, fast_mode=True)


@every_size
def test_third_derivatives_are_those_of_pytorch(size: tuple[int, ...]) -> None:
    """As in unrolled updates with a gradient penalty."""
    tensors, *functions = inputs(size, bias=True)
    found = []
    for function in functions:
        (by_x,) = torch.autograd.grad(function(*tensors).pow(3).sum(), tensors[0], create_graph=True)
        (by_weight,) = torch.autograd.grad(by_x.pow(3).sum(), tensors[1], create_graph=True)
        found.append(torch.autograd.grad(by_weight.pow(2).sum(), tensors))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_layer_is_nn_conv2d() -> None:
    torch.manual_seed(0)
    layer, x = Conv2d(3, 6, 3, 2, 1, groups=3), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(layer(x), conv2d(x, layer.weight, layer.bias, 2, 1, 1, 3), rtol=0, atol=0)


def test_autocast_computes_in_its_own_precision() -> None:
    x, weight = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(4, 3, 3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = twice_differentiable(x, weight, None, (1, 1), (1, 1), 1)
        assert y.dtype is conv2d(x, weight, padding=1).dtype is torch.bfloat16
    (by_x,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
    (by_weight,) = torch.autograd.grad(by_x.square().sum(), weight)
    assert by_x.dtype is by_weight.dtype is torch.float32
