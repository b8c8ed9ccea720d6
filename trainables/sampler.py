"""Sampler: a generator with what it needs to be asked for images."""

import torch
from torch import Tensor, nn

from trainables.config import LatentConfig

BLOCK = 500  # samples made at a time: bounded memory, however many are asked for


def draw_latent(n: int, latent: LatentConfig, rng: torch.Generator) -> Tensor:
    """[n, latent.dim] of unit variance (normal, sphere: the normal's directions at length sqrt(dim)) or from U(-1, 1), on rng's device."""
    if latent.distribution == "uniform":
        return 2 * torch.rand(n, latent.dim, generator=rng, device=rng.device) - 1
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
