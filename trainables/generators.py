"""Generator: a trained G with everything needed to sample it, stored as safetensors with the config in the header."""

import json
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ganstudy.checksums import damage
from ganstudy.errors import UserError
from ganstudy.numbers import whole
from ganstudy.registry import nearest
from ganstudy.tf32 import tf32
from trainables.building import BUILDING
from trainables.config import TrialConfig
from trainables.latents import draw_classes, draw_latent
from trainables.models.conditional import apply, build_generator
from trainables.sections import LatentConfig
from trainables.tables import TRICKS

GENERATOR_FILE = "generator.safetensors"  # file name within a checkpoint
BLOCK = 500  # samples per forward pass, which bounds memory


class Generator(nn.Module):
    """Maps z [N, latent.dim] to images [N, *shape], floats in [-1, 1], or to points. A conditional generator also takes classes [N].

    Only for a conditional generator: `shares` [K], the probability of each class when classes are drawn; `classes`, their names.
    """

    def __init__(self, net: nn.Module, latent: LatentConfig, *, shares: Tensor | None = None, classes: Sequence[str] = ()):
        super().__init__()
        self.net, self.latent = net, latent
        self.shares = None if shares is None else shares.detach().cpu()
        self.classes = tuple(classes)

    def of(self, net: nn.Module) -> "Generator":
        """Return a Generator with the same latents and classes but another network."""
        return Generator(net, self.latent, shares=self.shares, classes=self.classes)

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw latents [n, latent.dim] and, for a conditional generator, classes [n] (else None), on rng's device."""
        return draw_latent(n, self.latent, rng), None if self.shares is None else draw_classes(n, self.shares.to(rng.device), rng)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return samples [N, *shape] of latents z [N, latent.dim] and, for a conditional generator, classes [N]."""
        return apply(self.net, z, labels)

    def sample(self, n: int, *, seed: int = 0, labels: Tensor | Sequence[int] | None = None) -> Tensor:
        """Return n samples [n, *shape], in evaluation mode; training is not affected. The latents depend only on the seed, not on the device.

        labels: integers [n], the classes to generate, for a conditional generator only. None draws them by their shares in the training set.
        """
        return self.labelled(n, seed=seed, labels=labels)[0]

    @torch.no_grad()
    def labelled(self, n: int, *, seed: int = 0, labels: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the samples of `sample` and their classes [n], or None for an unconditional generator."""
        n = whole(n, "n")
        if not isinstance(seed, Integral):
            raise UserError(f"a seed must be a whole number; given {seed!r}")
        if not -(2**63) <= seed < 2**64:
            raise UserError(f"a seed must fit into 64 bits; given {seed}. Give a smaller one")
        z, drawn = self.draw(n, torch.Generator().manual_seed(seed))
        classes = drawn if labels is None else self.checked(labels, n)
        training, device = self.net.training, next(self.net.parameters()).device
        self.net.eval()
        try:
            blocks = zip(z.split(BLOCK), [None] * n if classes is None else classes.split(BLOCK), strict=False)
            with tf32(False, device):
                images = [self(some.to(device), None if of is None else of.to(device)) for some, of in blocks]
            return torch.cat(images), classes
        finally:
            self.net.train(training)

    def checked(self, labels: Tensor | Sequence[int], n: int) -> Tensor:
        """Return valid classes as int64 [n] on the CPU. Raises UserError for invalid ones."""
        if self.shares is None:
            raise UserError(
                "labels need a conditional generator, trained with g.condition and d.condition; this one is unconditional. Leave the labels out"
            )
        found = torch.as_tensor(labels).cpu()
        if found.shape != (n,) or (n and (found.is_floating_point() or not 0 <= found.min() <= found.max() < len(self.shares))):
            raise UserError(f"labels must be {n} integers from 0 to {len(self.shares) - 1}, one per sample; given {found}")
        return found.long()

    def label_of(self, name: str) -> int:
        """Return the class with this name or, failing that, this number. Raises UserError for an unknown class, with all names."""
        if self.shares is None:
            raise UserError(
                f"class {name!r} needs a conditional generator, trained with g.condition and d.condition; this one is unconditional"
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
    """Write a generator to a safetensors file, with the config, the sample shape and the classes in its header."""
    header = {"format": "ganstudy generator", "config": json.dumps(config.flat()), "shape": json.dumps(shape)}
    if generator.shares is not None:
        header |= {"classes": json.dumps(generator.classes), "shares": json.dumps(generator.shares.tolist())}
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in generator.net.state_dict().items()}, header))


def load_generator(path: Path | str, *, device: torch.device | str = "cpu") -> Generator:
    """Return the Generator of a file, in evaluation mode.

    Raises UserError if the file is not a generator saved by ganstudy or is damaged, or if its config needs a plugin that is not imported.
    """
    if Path(path).is_dir():
        raise UserError(
            f"{path} must be a generator file saved by ganstudy; it is a folder. Give the {GENERATOR_FILE} of a checkpoint, or what `ganstudy export` wrote"
        )
    if Path(path).exists() and (problem := damage(Path(path))):
        raise UserError(f"{path} must be as it was saved; {problem}. Choose another trial or tick")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (safe_open is not a mapping)
    except SafetensorError as error:
        raise UserError(f"{path} must be a complete generator file saved by ganstudy; it cannot be read: {error}") from None
    if header.get("format") != "ganstudy generator":
        raise UserError(f"{path} must be a generator saved by ganstudy (safetensors with its config); its header holds {sorted(header)}")
    config, shape = TrialConfig.from_flat(json.loads(header["config"])), tuple(json.loads(header["shape"]))
    shares = torch.tensor(json.loads(header["shares"]), dtype=torch.float64) if "shares" in header else None
    return _built(config, shape, tensors, shares=shares, classes=json.loads(header.get("classes", "[]"))).to(device)


def _built(
    config: TrialConfig, shape: tuple[int, ...], tensors: Mapping[str, Tensor], *, shares: Tensor | None, classes: Sequence[str]
) -> Generator:
    """Return the Generator that a config and the tensors of a file stand for. Raises RuntimeError if they do not fit."""
    net = build_generator(config, shape, classes=None if shares is None else len(shares))
    net.load_state_dict(tensors)
    return Generator(net.eval(), config.latent, shares=shares, classes=classes)


def refuse_unloadable(generator: Generator, config: TrialConfig, shape: tuple[int, ...]) -> None:
    """Raise UserError unless the file of a generator would be loaded as the same generator.

    A file holds the config and G's tensors. A network or latents that the config does not describe cannot be made from them again.
    """
    tensors = {name: tensor.detach().cpu() for name, tensor in generator.net.state_dict().items()}
    try:
        with BUILDING, torch.random.fork_rng(devices=[]):  # building draws weights
            again = _built(config, shape, tensors, shares=generator.shares, classes=generator.classes)
    except RuntimeError:  # load_state_dict
        same = False
    else:
        device = next(generator.net.parameters()).device
        ours, theirs = generator.sample(2).cpu(), again.to(device).sample(2).cpu()
        same = ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3, equal_nan=True)
    if not same:
        makers = [name for name in config.tricks if TRICKS[name].generator.__module__ != "trainables.tricks.base"]
        raise UserError(
            f"the generator that is evaluated must be G as the config builds it, with weights of its own, so that its file can be loaded; "
            f"{' or '.join([*makers, f'loop: {config.loop}'])} returned another network or other latents. "
            "Return generator.of(average), where average is a copy of G"
        )
