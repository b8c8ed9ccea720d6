"""Generator: a trained G with what is needed to sample it, and its file: safetensors with the config in the header."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ganstudy.errors import UserError
from ganstudy.registry import nearest
from trainables.config import TrialConfig
from trainables.latents import draw_classes, draw_latent
from trainables.models.conditional import apply, build_generator
from trainables.sections import LatentConfig

GENERATOR_FILE = "generator.safetensors"  # its name in a checkpoint
BLOCK = 500  # samples made at a time: bounded memory, however many are asked for


class Generator(nn.Module):
    """z [N, latent.dim], and to a conditional generator classes [N] -> images [N, *shape], floats in [-1, 1] (points: as they are).

    Of a conditional generator: `shares` [K], how often each class is drawn where none is asked for; `classes`: their names.
    """

    def __init__(self, net: nn.Module, latent: LatentConfig, *, shares: Tensor | None = None, classes: Sequence[str] = ()):
        super().__init__()
        self.net, self.latent = net, latent
        self.shares = None if shares is None else shares.detach().cpu()
        self.classes = tuple(classes)

    def of(self, net: nn.Module) -> "Generator":
        """The same draws, made into images by another network."""
        return Generator(net, self.latent, shares=self.shares, classes=self.classes)

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """What n samples are made of, on rng's device: latents [n, latent.dim], and classes [n] where the generator is told them."""
        return draw_latent(n, self.latent, rng), None if self.shares is None else draw_classes(n, self.shares.to(rng.device), rng)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return apply(self.net, z, labels)

    def sample(self, n: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """[n, *shape], the same for the same seed on every device; with running statistics (evaluation mode), which training never notices.

        labels: int64 [n], the classes to make, of a conditional generator; without them they are drawn by the shares of the training set.
        """
        return self.labelled(n, seed=seed, labels=labels)[0]

    @torch.no_grad()
    def labelled(self, n: int, *, seed: int = 0, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The same samples, and the class of each [n]; None where the generator is told none."""
        z, drawn = self.draw(n, torch.Generator().manual_seed(seed))
        labels = drawn if labels is None else self.checked(labels, n)
        training, device = self.net.training, next(self.net.parameters()).device
        self.net.eval()
        try:
            blocks = zip(z.split(BLOCK), [None] * n if labels is None else labels.split(BLOCK), strict=False)
            images = [self(some.to(device), None if of is None else of.to(device)) for some, of in blocks]
            return torch.cat(images), labels
        finally:
            self.net.train(training)

    def checked(self, labels: Tensor, n: int) -> Tensor:
        """Classes that can be asked for: int64 [n], on the CPU. UserError for others."""
        if self.shares is None:
            raise UserError("this generator is told no class; one that is comes of g.condition and d.condition")
        labels = torch.as_tensor(labels).cpu()
        if labels.shape != (n,) or labels.is_floating_point() or (n and not 0 <= labels.min() <= labels.max() < len(self.shares)):
            raise UserError(f"labels must be {n} whole numbers from 0 to {len(self.shares) - 1}, one a sample; given {labels}")
        return labels.long()

    def label_of(self, name: str) -> int:
        """The class of this name, or else of this number. UserError for none, with all names."""
        if self.shares is None:
            raise UserError(
                f"there is no class {name!r} to ask for: this generator is told none; one that is comes of g.condition and d.condition"
            )
        if name in self.classes:
            return self.classes.index(name)
        if name.isdecimal() and int(name) < len(self.shares):
            return int(name)
        raise UserError(
            f"a class must be one of {', '.join(self.classes)}, or its number from 0 to {len(self.shares) - 1}; "
            f"{nearest(name, self.classes)}given {name!r}"
        )


def save_generator(generator: Generator, config: TrialConfig, shape: tuple[int, ...], path: Path) -> None:
    header = {"format": "ganstudy generator", "config": json.dumps(config.flat()), "shape": json.dumps(shape)}
    if generator.shares is not None:
        header |= {"classes": json.dumps(generator.classes), "shares": json.dumps(generator.shares.tolist())}
    save_file({name: tensor.contiguous() for name, tensor in generator.net.state_dict().items()}, path, header)


def load_generator(path: Path | str, *, device: torch.device | str = "cpu") -> Generator:
    """A Generator in evaluation mode. UserError if the file is no generator of ours, or its config needs a plugin that is not imported."""
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (safe_open is no mapping)
    except SafetensorError as error:
        raise UserError(f"{path} must be a generator saved by ganstudy, whole; it cannot be read: {error}") from None
    if header.get("format") != "ganstudy generator":
        raise UserError(f"{path} must be a generator saved by ganstudy (safetensors with its config); its header holds {sorted(header)}")
    config, shape = TrialConfig.from_flat(json.loads(header["config"])), tuple(json.loads(header["shape"]))
    shares = torch.tensor(json.loads(header["shares"]), dtype=torch.float64) if "shares" in header else None
    net = build_generator(config, shape, classes=None if shares is None else len(shares)).to(device)
    net.load_state_dict(tensors)
    return Generator(net.eval(), config.latent, shares=shares, classes=json.loads(header.get("classes", "[]")))
