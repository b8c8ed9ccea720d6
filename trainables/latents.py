"""Random inputs of a generator: latents and, if it is conditional, classes."""

from math import erf, sqrt

import torch
from torch import Tensor

from trainables.sections import LatentConfig

_TRUNCATION = 2.0


def draw_latent(n: int, latent: LatentConfig, rng: torch.Generator) -> Tensor:
    """Draw latents [n, latent.dim] on rng's device.

    normal: N(0, I). uniform: U(-1, 1). sphere: normal directions of length sqrt(dim). truncated: N(0, 1) with each coordinate redrawn while its
    absolute value exceeds latent.truncation (Brock et al. 2019, section 3.1); drawn in one pass by inverting the distribution function, and not
    rescaled, as there. If latent.truncation is None, the threshold is 2, the largest in their figure 2.
    """
    if latent.distribution in ("uniform", "truncated"):
        u = 2 * torch.rand(n, latent.dim, generator=rng, device=rng.device) - 1
        if latent.distribution == "uniform":
            return u
        limit = latent.truncation or _TRUNCATION
        return ((u * erf(limit / sqrt(2))).erfinv_() * sqrt(2)).clamp_(-limit, limit)  # erfinv(±1) is not finite
    z = torch.randn(n, latent.dim, generator=rng, device=rng.device)
    return z if latent.distribution == "normal" else z * (latent.dim**0.5 / z.norm(dim=1, keepdim=True))


def draw_classes(n: int, shares: Tensor, rng: torch.Generator) -> Tensor:
    """Draw n classes, int64 [n], class k with probability shares[k] (float64 [K], on rng's device).

    The shares are those of the training set, as Odena et al. 2017 draw c ~ p_c. If real and fake images have equal shares of the classes,
    D learns nothing from the class alone: the ratio of q(y) and p(y) in Miyato & Koyama 2018, eq. 2, is 1.
    """
    edges = shares.cumsum(0)
    u = torch.rand(n, generator=rng, device=rng.device, dtype=torch.float64)
    return torch.searchsorted(edges / edges[-1], u, right=True)  # a class with share 0 is never drawn
