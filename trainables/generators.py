"""Generators as files: safetensors with the config (and the classes, where it is told them) in the header, so that a file alone makes a ready network again."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.conditional import generator
from trainables.sampler import Sampler

GENERATOR = "generator.safetensors"  # its name in a checkpoint


def save_generator(sampler: Sampler, config: TrialConfig, shape: tuple[int, ...], path: Path) -> None:
    header = {"format": "ganstudy generator", "config": json.dumps(config.flat()), "shape": json.dumps(shape)}
    if sampler.shares is not None:
        header |= {"classes": json.dumps(sampler.classes), "shares": json.dumps(sampler.shares.tolist())}
    save_file({name: tensor.contiguous() for name, tensor in sampler.net.state_dict().items()}, path, header)


def load_generator(path: Path | str, *, device: torch.device | str = "cpu") -> Sampler:
    """A Sampler in evaluation mode. UserError if the file is no generator of ours, or its config needs a plugin that is not imported."""
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
    net = generator(config, shape, classes=None if shares is None else len(shares)).to(device)
    net.load_state_dict(tensors)
    return Sampler(net.eval(), config.latent, shares=shares, classes=json.loads(header.get("classes", "[]")))
