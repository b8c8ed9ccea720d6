"""Architectures, by name."""

from trainables.models import dcgan, infogan, mlp, r3, resnet
from trainables.models.base import Architecture
from trainables.registry import Registry

ARCHS: Registry[Architecture] = Registry("architecture")
ARCHS |= {"mlp": mlp.MLP, "dcgan": dcgan.DCGAN, "resnet": resnet.RESNET, "infogan": infogan.INFOGAN, "r3": r3.R3}
