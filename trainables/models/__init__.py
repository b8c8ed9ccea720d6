"""The table of architectures, by name."""

from ganstudy.registry import Registry
from trainables import tables
from trainables.models import conditional, dcgan, infogan, mlp, r3, resnet  # noqa: F401  (imported to register the conditions)
from trainables.models.base import Architecture

ARCHS: Registry[Architecture] = tables.ARCHS
ARCHS |= {"mlp": mlp.MLP, "dcgan": dcgan.DCGAN, "resnet": resnet.RESNET, "infogan": infogan.INFOGAN, "r3": r3.R3}
