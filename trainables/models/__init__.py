"""Architectures, by name."""

from trainables.models import dcgan, mlp, resnet
from trainables.models.base import Architecture
from trainables.registry import Registry

ARCHS: Registry[Architecture] = Registry("architecture")
ARCHS |= {"mlp": mlp.MLP, "dcgan": dcgan.DCGAN, "resnet": resnet.RESNET}
