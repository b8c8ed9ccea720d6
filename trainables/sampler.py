"""Sampler: a generator with what it needs to be asked for images."""

from math import erf, sqrt

import torch
from torch import Tensor, nn

from trainables.config import LatentConfig

TRUNCATION = 2.0
BLOCK = 500  # samples made at a time: bounded memory, however many are asked for


def draw_latent(n: int, latent: LatentConfig, rng: torch.Generator) -> Tensor:
    """[n, latent.dim] on rng's device: of unit variance (normal, sphere: the normal's directions at length sqrt(dim)), from U(-1, 1), or truncated.

    truncated: N(0, 1), each coordinate drawn again while its size is above latent.truncation (Brock et al. 2019, section 3.1), as one draw by the
    inverse of the distribution function. Its variance stays below 1, as there. None is 2, the largest threshold in their figure 2.
    """
    if latent.distribution in ("uniform", "truncated"):
        u = 2 * torch.rand(n, latent.dim, generator=rng, device=rng.device) - 1
        if latent.distribution == "uniform":
            return u
        limit = latent.truncation or TRUNCATION
        return ((u * erf(limit / sqrt(2))).erfinv_() * sqrt(2)).clamp_(-limit, limit)  # erfinv(±1) is not finite
    z = torch.randn(n, latent.dim, generator=rng, device=rng.device)
    return z if latent.distribution == "normal" else z * (latent.dim**0.5 / z.norm(dim=1, keepdim=True))


class Sampler(nn.Module):
    """z [N, latent.dim] -> images [N, *shape], floats in [-1, 1] (points: as they are)."""

    def __init__(self, net: nn.Module, latent: LatentConfig):
        super().__init__()
        self.net, self.latent = net, latent

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.net(z)
        return images

    @torch.no_grad()
    def sample(self, n: int, *, seed: int = 0) -> Tensor:
        """[n, *shape], the same for the same seed on every device; with running statistics (evaluation mode), which training never notices."""
        training, device = self.net.training, next(self.net.parameters()).device
        self.net.eval()
        try:
            z = draw_latent(n, self.latent, torch.Generator().manual_seed(seed)).to(device)
            return torch.cat([self(block) for block in z.split(BLOCK)])
        finally:
            self.net.train(training)
