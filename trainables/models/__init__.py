"""Architectures, by name."""

from ganstudy.registry import Registry
from trainables.models import dcgan, infogan, mlp, r3, resnet
from trainables.models.base import Architecture

ARCHS: Registry[Architecture] = Registry("architecture")
ARCHS |= {"mlp": mlp.MLP, "dcgan": dcgan.DCGAN, "resnet": resnet.RESNET, "infogan": infogan.INFOGAN, "r3": r3.R3}
