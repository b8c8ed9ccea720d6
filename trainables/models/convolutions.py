"""Convolutions whose gradient can be differentiated fast on a GPU, as gradient penalties do.

PyTorch's second derivative by the weights is a convolution with a kernel as large as the image, and one per group (`_convolution_double_backward`). Here it is
the operation that gives the first derivative. NVIDIA's StyleGAN codes replace convolutions for the same reason.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

_Pair = tuple[int, int]


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: _Pair = (1, 1), padding: _Pair = (0, 0), groups: int = 1
) -> Tensor:
    """torch.nn.functional.conv2d without dilation: [N, C, H, W] -> [N, out, h, w]."""
    if not (x.is_cuda and x.requires_grad and torch.is_grad_enabled()):
        return functional.conv2d(x, weight, bias, stride, padding, 1, groups)
    return twice_differentiable(x, weight, bias, stride, padding, groups)


def twice_differentiable(x: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair, groups: int) -> Tensor:
    """`conv2d` with the fast second derivative, on any device."""
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    y: Tensor = _Convolution.apply(x, weight, bias, stride, padding, groups)
    return y


class Conv2d(nn.Conv2d):
    """nn.Conv2d with the fast second derivative. Zero padding, no dilation."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        assert not isinstance(self.padding, str)
        return conv2d(input, weight, bias, stride=self.stride, padding=self.padding, groups=self.groups)  # type: ignore[arg-type]  # pairs


class _Convolution(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair, groups: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = stride, padding, groups
        return functional.conv2d(x, weight, bias, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        by_x, by_weight = _Gradient.apply(gradient, *ctx.saved_tensors, *ctx.how, of_x, of_weight)
        return by_x, by_weight, gradient.sum((0, 2, 3)) if of_bias else None, None, None, None


class _Gradient(Function):
    """The gradients by x and by the weight, given that by the output; None for one that is not needed."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, groups: int, of_x: bool, of_weight: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        ctx.save_for_backward(gradient, x, weight)
        ctx.how = stride, padding, groups
        ctx.set_materialize_grads(False)
        return _gradients(gradient, x, weight, *ctx.how, of_x=of_x, of_weight=of_weight)

    @staticmethod
    def backward(ctx: Any, by_x: Tensor | None, by_weight: Tensor | None) -> tuple[Tensor | None, ...]:
        gradient, x, weight = ctx.saved_tensors
        of_gradient, of_x, of_weight = ctx.needs_input_grad[:3]
        outputs = []
        if of_gradient and by_x is not None:
            outputs.append(functional.conv2d(by_x, weight, None, ctx.how[0], ctx.how[1], 1, ctx.how[2]))
        if of_gradient and by_weight is not None:
            outputs.append(functional.conv2d(x, by_weight, None, ctx.how[0], ctx.how[1], 1, ctx.how[2]))
        second_x = _gradients(gradient, x, by_weight, *ctx.how, of_x=True)[0] if of_x and by_weight is not None else None
        second_weight = _gradients(gradient, by_x, weight, *ctx.how, of_weight=True)[1] if of_weight and by_x is not None else None
        return sum(outputs[1:], outputs[0]) if outputs else None, second_x, second_weight, None, None, None, None, None


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, groups: int, *, of_x: bool = False, of_weight: bool = False
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of a convolution by x and by the weight. The values of an argument whose own gradient is asked for are not read."""
    by_x, by_weight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), groups, (of_x, of_weight, False)
    )
    return by_x, by_weight
