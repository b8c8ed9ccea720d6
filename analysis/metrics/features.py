"""Feature extractors: networks that turn images or points into features, in blocks, from arrays to arrays.

Only distances in Inception's features are called FID; distances in other features are not.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ganstudy import UserError
from ganstudy.tf32 import tf32

_Array = NDArray[np.generic]

FEATURES = 64  # of the classifier; a covariance of full rank needs more samples than that
_DEPTHS, _WIDTH = 4, 32  # of the random network: 128 features


class Extractor(nn.Module, ABC):
    """Turns inputs [N, *shape] into features [N, F]. `name` becomes part of the full names of metrics."""

    name: str
    block = 500  # inputs per forward pass, which bounds the memory for activations

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map [N, *shape], with the dtype of the array, to features [N, F] float32."""

    def features(self, x: _Array) -> NDArray[np.float32]:
        """Return features [N, F] of `x` [N, *shape], N >= 1, computed on the device of the weights."""
        found: NDArray[np.float32] = self.on_device(torch.from_numpy(np.array(x))).cpu().numpy()
        return found

    @torch.inference_mode()
    def on_device(self, x: Tensor) -> Tensor:
        """Return features [N, F] of `x` [N, *shape], N >= 1, on the device of the weights, or of `x` for an extractor without weights."""
        device = next((tensor.device for tensor in self.state_dict().values()), x.device)
        with tf32(False, device):  # on a GPU as precise as the features of real data, which the driver computes on a CPU
            return torch.cat([self(block.to(device)) for block in x.split(self.block)])


class Points(Extractor):
    """The coordinates of points [N, D] as features."""

    name = "points"

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


class Pixels(Extractor):
    """Pixel values as features: uint8 [N, C, H, W] -> [N, CHW] in [0, 1]. Ignores image content, so only for small, aligned images."""

    name = "pixels"

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).float() / 255


class Module(Extractor):
    """A user's network under a name. It maps uint8 [N, C, H, W] (or float32 points [N, D]) to features [N, F]."""

    def __init__(self, name: str, net: nn.Module):
        super().__init__()
        self.name, self.net = name, net.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        found = self.net(x)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(x):
            given = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"the features {self.name} must be a tensor [{len(x)}, F] of the {len(x)} inputs; given is {given}")
        if bad := int((~found.isfinite()).any(dim=1).sum()):
            raise UserError(f"the features {self.name} must be finite; those of {bad} of {len(x)} inputs are not. Mend the network")
        return found.float()


class Classifier(Extractor):
    """A small convolutional classifier whose penultimate layer gives the features. uint8 [N, C, H, W] -> [N, 64], H and W >= 8."""

    name = "classifier"

    def __init__(self, *, channels: int, side: int, classes: int):
        """`side` is the shorter of H and W in pixels. It is halved until at most 8 remain, at least once."""
        super().__init__()
        halvings = max(1, math.ceil(math.log2(side / 8)))
        widths = [channels, 32, *[64] * halvings]
        layers: list[nn.Module] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(fan_in, fan_out, 3, stride=1 if i == 0 else 2, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(fan_out), nn.ReLU()]
        # pooling keeps a 2 x 2 grid, because positions matter
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * 64, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.body(_scaled(x))
        return features

    @torch.inference_mode()
    def probabilities(self, features: NDArray[np.float32] | Tensor) -> NDArray[np.float64]:
        """Return class probabilities [N, K] from features [N, 64]."""
        logits = self.head(torch.as_tensor(features).to(self.head.weight.device))
        found: NDArray[np.float64] = logits.double().softmax(dim=1).cpu().numpy()
        return found


class RandomConv(Extractor):
    """A convolutional network with random weights, for images without labels. uint8 [N, C, H, W] -> [N, 128], H and W >= 8.

    Naeem et al. 2020: if no pretrained network suits the data, features of a random network separate good from bad samples too. Orthogonal
    weights (Saxe et al. 2014) with the gain for ReLU keep the scale of the signal across depths. Averages at four depths, 32 features
    each, respond to textures as well as shapes.
    """

    name = "random_conv"

    def __init__(self, *, channels: int, seed: int = 0):
        super().__init__()
        widths = [channels, *[_WIDTH] * _DEPTHS]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convs = nn.ModuleList(_random_conv(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x, pooled = _scaled(x), []
        for conv in self.convs:
            x = F.relu(conv(x))
            pooled.append(x.mean(dim=(2, 3)))
            x = F.max_pool2d(x, 2, ceil_mode=True)  # average pooling would weaken the signal with depth
        return torch.cat(pooled, dim=1)


def train_classifier(images: _Array, labels: ArrayLike, *, classes: int, seed: int = 0, steps: int | None = None) -> Classifier:
    """Train a Classifier on uint8 `images` [N, C, H, W] with `labels` [N] (0 to classes - 1) and return it in evaluation mode.

    AdamW on batches of 128 with a one-cycle learning rate (Smith & Topin 2018); by default 30 epochs, at most 1,000 `steps`. On the same
    machine with the same number of threads, a seed determines the weights. torch's global generators are not changed. Raises
    UserError for other shapes, dtypes or labels.
    """
    targets = torch.as_tensor(np.asarray(labels, dtype=np.int64))
    if images.dtype != np.uint8 or images.ndim != 4 or min(images.shape[2:]) < 8:
        raise UserError(f"images must be uint8 [N, C, H, W], H and W at least 8; given are {images.dtype} {list(images.shape)}")
    if targets.shape != (len(images),) or targets.min() < 0 or targets.max() >= classes:
        raise UserError(
            f"labels must be one of 0 to {classes - 1} for each of the {len(images)} images; "
            f"given are {len(targets)} labels from {targets.min()} to {targets.max()}"
        )
    steps = steps or min(1_000, math.ceil(30 * len(images) / 128))
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Classifier(channels=images.shape[1], side=min(images.shape[2:]), classes=classes)
    net.to(memory_format=torch.channels_last)  # twice as fast on a CPU
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=steps)
    for _ in range(steps):
        rows = rng.integers(len(images), size=128)
        logits = net.head(net(torch.from_numpy(images[rows])))
        # label smoothing or more epochs would cluster the features of training images, away from those of unseen real images
        loss = F.cross_entropy(logits, targets[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)


def weights_hash(module: nn.Module) -> str:
    """Return 16 hex digits, a hash of the names, shapes and bytes of the module's weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name}{values.dtype.str}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def _random_conv(fan_in: int, fan_out: int) -> nn.Conv2d:
    conv = nn.Conv2d(fan_in, fan_out, 3, padding=1, padding_mode="replicate")
    assert conv.bias is not None
    nn.init.orthogonal_(conv.weight, gain=math.sqrt(2))
    nn.init.normal_(conv.bias, std=0.1)  # without a bias, doubling the input would only double the features
    return conv


def _scaled(x: Tensor) -> Tensor:
    """Scale bytes to [-1, 1]."""
    return x.float() / 127.5 - 1
