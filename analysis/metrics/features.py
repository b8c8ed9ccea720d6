"""What distances are measured in: networks that turn images or points into features. Arrays in, arrays out, block by block.

Distances in features of a network of our own are no FID: that name is for Inception's features.
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

Array = NDArray[np.generic]

FEATURES = 64  # of the classifier; each side needs more samples than that for a covariance of full rank
DEPTHS, WIDTH = 4, 32  # of the random network: 128 features


class Extractor(nn.Module, ABC):
    """Turns inputs [N, *shape] into features [N, F]. `name` is part of a metric's full name."""

    name: str
    block = 500  # images held as activations at a time

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """[N, *shape] as in the array -> [N, F] float32."""

    @torch.inference_mode()
    def features(self, x: Array) -> NDArray[np.float32]:
        """Features [N, F] of `x` [N, *shape], N >= 1, computed where the weights are."""
        device = next((tensor.device for tensor in self.state_dict().values()), torch.device("cpu"))
        blocks = (torch.from_numpy(np.array(x[i : i + self.block])) for i in range(0, len(x), self.block))
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # on a GPU as exact as the real side, which the driver's CPU saw
            return np.concatenate([self(block.to(device)).cpu().numpy() for block in blocks])


class Points(Extractor):
    """Points [N, D] are their own features."""

    name = "points"

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


class Pixels(Extractor):
    """Images are their own features: uint8 [N, C, H, W] -> [N, CHW] in [0, 1]. Blind to what they show: for small, aligned images only."""

    name = "pixels"

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).float() / 255


class Module(Extractor):
    """A network of one's own under a name: whatever turns uint8 [N, C, H, W] (points: float32 [N, D]) into features [N, F]."""

    def __init__(self, name: str, net: nn.Module):
        super().__init__()
        self.name, self.net = name, net.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        found = self.net(x)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(x):
            given = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(f"the features {self.name} must be a tensor [{len(x)}, F] of the {len(x)} inputs; given is {given}")
        return found.float()


class Classifier(Extractor):
    """A small convolutional network; the layer before its decision is the feature. uint8 [N, C, H, W] -> [N, 64], H and W >= 8."""

    name = "classifier"

    def __init__(self, *, channels: int, side: int, classes: int):
        """`side`: the shorter of H and W, pixels. It is halved until at most 8 are left (at least once)."""
        super().__init__()
        halvings = max(1, math.ceil(math.log2(side / 8)))
        widths = [channels, 32, *[64] * halvings]
        layers: list[nn.Module] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(fan_in, fan_out, 3, stride=1 if i == 0 else 2, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(fan_out), nn.ReLU()]
        # a coarse layout of 2 x 2 survives the pooling: what is where matters
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * 64, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.body(_scaled(x))
        return features

    @torch.inference_mode()
    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each class, [N, K], by the features [N, 64]."""
        logits = self.head(torch.from_numpy(features).to(self.head.weight.device))
        found: NDArray[np.float64] = logits.double().softmax(dim=1).cpu().numpy()
        return found


class RandomConv(Extractor):
    """A convolutional network with random weights, for images without labels. uint8 [N, C, H, W] -> [N, 128], H and W >= 8.

    Naeem et al. 2020: where no pretrained network fits the data, features of a random network separate good from bad
    samples as well. Orthogonal weights (Saxe et al. 2014) with the gain of ReLU keep the scale of the signal from depth to depth, and
    averages at four depths see textures as well as shapes: each has 32 features.
    """

    name = "random_conv"

    def __init__(self, *, channels: int, seed: int = 0):
        super().__init__()
        widths = [channels, *[WIDTH] * DEPTHS]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convs = nn.ModuleList(_random_conv(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x, pooled = _scaled(x), []
        for conv in self.convs:
            x = F.relu(conv(x))
            pooled.append(x.mean(dim=(2, 3)))
            x = F.max_pool2d(x, 2, ceil_mode=True)  # averages would fade from depth to depth
        return torch.cat(pooled, dim=1)


def train_classifier(images: Array, labels: ArrayLike, *, classes: int, seed: int = 0, steps: int | None = None) -> Classifier:
    """A Classifier of the uint8 `images` [N, C, H, W] and their `labels` [N] (0 to classes - 1), ready for use.

    AdamW on batches of 128 with a one-cycle learning rate (Smith & Topin 2018); by default 30 epochs, at most 1,000 `steps`. On one
    machine and number of threads the same seed gives the same weights. torch's own generators are left as they are.
    """
    targets = torch.as_tensor(np.asarray(labels, dtype=np.int64))
    if images.dtype != np.uint8 or images.ndim != 4 or min(images.shape[2:]) < 8:
        raise ValueError(f"images must be uint8 [N, C, H, W], H and W at least 8; given are {images.dtype} {list(images.shape)}")
    if targets.shape != (len(images),) or targets.min() < 0 or targets.max() >= classes:
        raise ValueError(
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
        # no smoothed labels and few epochs: both gather the training images' features, away from those of equally real unseen ones
        loss = F.cross_entropy(logits, targets[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)


def weights_hash(module: nn.Module) -> str:
    """16 hex digits over the names, shapes and bytes of the module's weights and buffers."""
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
    nn.init.normal_(conv.bias, std=0.1)  # without it ReLU answers to 2x with twice its answer to x
    return conv


def _scaled(x: Tensor) -> Tensor:
    """Bytes -> [-1, 1]."""
    return x.float() / 127.5 - 1
