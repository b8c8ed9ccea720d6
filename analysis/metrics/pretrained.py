"""Features of networks that others trained: Inception-v3, DINOv2, CLIP and VGG as torch-fidelity defines them, weights and resizing included.

So a Fréchet distance in Inception's features here is the FID that torch-fidelity prints, and the original one to six digits.
"""

import pickle
from typing import Any

import torch
from torch import Tensor

from analysis.metrics.features import Extractor

ALIASES = {"inception": "inception-v3-compat"}
FROM_FILE = ("inception", "vgg16")  # whose weights torch-fidelity takes from a file of tensors


def pretrained_names() -> list[str]:
    """What can be asked for: "inception", and torch-fidelity's own names."""
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    return [*ALIASES, *(name for name in FEATURE_EXTRACTORS_REGISTRY if name not in ALIASES.values())]


class Pretrained(Extractor):
    """uint8 [N, C, H, W], C of 1 (grey, shown as three equal channels) or 3 -> [N, F]: the layer that torch-fidelity takes for the FID."""

    block = 50  # images of 299 x 299 at a time

    def __init__(self, name: str, *, weights: str | None = None):
        """`weights`: a file of them; None: from torch's cache, or downloaded into it. Raises ValueError where there are none to be had."""
        super().__init__()
        if weights is not None and name not in FROM_FILE:
            raise ValueError(f"weights are read from a file for {' and '.join(FROM_FILE)} only; given for {name!r}")
        from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

        self.name = name
        registered = ALIASES.get(name, name)
        make = FEATURE_EXTRACTORS_REGISTRY[registered]
        if weights is not None:
            _refuse_code(weights)
        try:
            self.net: Any = make(registered, [make.get_default_feature_layer_for_metric("fid")], feature_extractor_weights_path=weights)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; torch's own are RuntimeErrors
            raise ValueError(
                f"the features {name!r} need their weights, from a file, from {torch.hub.get_dir()}, or from the network; "
                f"{'the file ' + weights if weights else 'none are there, and the download'} failed: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}. Fetch them once where there is a network, "
                "or choose features that need none: the classifier, random_conv or pixels"
            ) from None
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        (features,) = self.net(x.expand(-1, 3, -1, -1))
        found: Tensor = features.float()
        return found


def _refuse_code(path: str) -> None:
    """torch-fidelity unpickles whatever the file holds, which may be code; a file of tensors is asked for."""
    try:
        torch.load(path, map_location="meta", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(
            f"weights must be a file that torch.load(path, weights_only=True) reads; {path} gives {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from None
