"""Features of pretrained networks: Inception-v3, DINOv2, CLIP and VGG as torch-fidelity defines them, including weights and resizing.

The Fréchet distance in these Inception features is therefore torch-fidelity's FID, and equals the original FID to six digits.
"""

import pickle
from typing import Any

import torch
from torch import Tensor

from analysis.metrics.features import Extractor
from ganstudy import UserError

_ALIASES = {"inception": "inception-v3-compat"}
FROM_FILE = ("inception", "vgg16")  # torch-fidelity reads their weights from a file of tensors


def pretrained_names() -> list[str]:
    """Return the names that `Pretrained` accepts: "inception" and the names in torch-fidelity."""
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    return [*_ALIASES, *(name for name in FEATURE_EXTRACTORS_REGISTRY if name not in _ALIASES.values())]


class Pretrained(Extractor):
    """uint8 [N, C, H, W] -> [N, F], the layer that torch-fidelity uses for FID. C is 3, or 1 (grey, repeated to three channels)."""

    block = 50  # images of 299 x 299 per forward pass

    def __init__(self, name: str, *, weights: str | None = None):
        """`weights` is a file; None uses torch's cache and downloads into it if needed. Raises UserError if no weights are available."""
        super().__init__()
        if weights is not None and name not in FROM_FILE:
            raise UserError(f"weights are read from a file only for {' and '.join(FROM_FILE)}; given for {name!r}")
        from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

        self.name = name
        registered = _ALIASES.get(name, name)
        make = FEATURE_EXTRACTORS_REGISTRY[registered]
        if weights is not None:
            _refuse_code(weights)
        try:
            self.net: Any = make(registered, [make.get_default_feature_layer_for_metric("fid")], feature_extractor_weights_path=weights)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; torch's own are RuntimeErrors
            raise UserError(
                f"the features {name!r} need their weights, from a file, from {torch.hub.get_dir()}, or from the network; "
                f"{'the file ' + weights if weights else 'none are there, and the download'} failed: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}. Download them once on a machine with network access, "
                "or choose features without downloads: classifier, random_conv or pixels"
            ) from None
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        (features,) = self.net(x.expand(-1, 3, -1, -1))
        found: Tensor = features.float()
        return found


def _refuse_code(path: str) -> None:
    """Raise UserError unless the file holds only tensors: torch-fidelity unpickles the file, which could run code."""
    try:
        torch.load(path, map_location="meta", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UserError(
            f"weights must be a file that torch.load(path, weights_only=True) reads; {path} gives {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from None
