"""Adversarial losses. Logits are [N]; every function returns a scalar. D minimises `d` and G minimises `g`."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganstudy.arguments import check_takes
from ganstudy.registry import Registry
from trainables import tables


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A pair of losses for D and G, with the properties that other parts depend on."""

    source: str  # one line: definition and citation
    d: Callable[[Tensor, Tensor], Tensor]  # (real_logits, fake_logits) -> scalar
    g: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False  # g depends on real logits too
    zero_sum: bool = False  # g is -d without the terms that depend on real logits only
    boundary: float | None = 0.0  # D classifies a higher logit as real; None: logits do not classify
    relabel: Callable[[Tensor, float], Tensor] | None = None  # (real_logits, t) -> change of d if the real label is t instead of 1
    margin: float | None = None  # None for a loss without a margin
    with_margin: Callable[[float], "Loss"] | None = None  # returns the loss with another margin

    def __post_init__(self) -> None:
        """Raise UserError unless d and g take the logits of both sides."""
        for side, function in (("d", self.d), ("g", self.g)):
            check_takes(function, ("real_logits", "fake_logits"), f"{side} of the loss {self.source!r}")

    @property
    def takes(self) -> tuple[str, ...]:
        """Settings that this loss reads and others do not."""
        return ("margin",) if self.with_margin else ()


def _cross_entropy_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E log s(real) - E log(1 - s(fake))."""
    return softplus(-real).mean() + softplus(fake).mean()


def _cross_entropy_relabel(real: Tensor, label: float) -> Tensor:
    """-t log s(x) - (1 - t) log(1 - s(x)) = softplus(-x) + (1 - t) x."""
    return (1 - label) * real.mean()


def _more_real_than_average(real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of each logit minus the mean of the other side: `real` is trained to be above it, `fake` below."""
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def energy(logits: Tensor) -> Tensor:
    """softplus(-x) >= 0 decreases with the logit, so real images keep the higher logits. Unlike relu(-x), its gradient is never 0."""
    return softplus(-logits)


def energy_loss(margin: float) -> Loss:
    """Return the energy loss with this margin."""
    return Loss(
        source="E(real) + [margin - E(fake)]+ against E(fake), with E = softplus(-logit), where Zhao et al. 2017 (EBGAN, eq. 1 and 2) use an auto-encoder's error; default margin 10",
        d=lambda real, fake: energy(real).mean() + relu(margin - energy(fake)).mean(),
        g=lambda real, fake: energy(fake).mean(),
        boundary=None,
        margin=margin,
        with_margin=energy_loss,
    )


LOSSES: Registry[Loss] = tables.LOSSES
LOSSES |= {
    "minimax": Loss(
        source="G minimises log(1 - D(G(z))). Goodfellow et al. 2014, eq. 1",
        d=_cross_entropy_d,
        g=lambda real, fake: -softplus(fake).mean(),
        zero_sum=True,
        relabel=_cross_entropy_relabel,
    ),
    "nonsaturating": Loss(
        source="G maximises log D(G(z)). Goodfellow et al. 2014, section 3",
        d=_cross_entropy_d,
        g=lambda real, fake: softplus(-fake).mean(),
        relabel=_cross_entropy_relabel,
    ),
    "hinge": Loss(
        source="Margins of 1 for D. Lim & Ye 2017; Miyato et al. 2018, eq. 16",
        d=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        g=lambda real, fake: -fake.mean(),
    ),
    "least_squares": Loss(
        source="Labels 1 and 0, squared errors. Mao et al. 2017, eq. 9",
        d=lambda real, fake: 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean(),
        g=lambda real, fake: 0.5 * (fake - 1).square().mean(),
        boundary=0.5,
        relabel=lambda real, label: 0.5 * (real - label).square().mean() - 0.5 * (real - 1).square().mean(),
    ),
    "wasserstein": Loss(
        source="Difference of mean logits; meaningful only with a Lipschitz trick. Arjovsky et al. 2017, eq. 3",
        d=lambda real, fake: fake.mean() - real.mean(),
        g=lambda real, fake: -fake.mean(),
        zero_sum=True,
        boundary=None,
    ),
    "relativistic": Loss(
        source="Relativistic pairing: is this real image more real than this fake? Jolicoeur-Martineau 2018; Huang et al. 2024 (R3GAN), eq. 2",
        d=lambda real, fake: softplus(fake - real).mean(),
        g=lambda real, fake: softplus(real - fake).mean(),
        paired=True,
        boundary=None,
    ),
    "relativistic_average": Loss(
        source="RaSGAN: is a real image more real than the average fake, and a fake less real than the average real image? Jolicoeur-Martineau 2018",
        d=_more_real_than_average,
        g=lambda real, fake: _more_real_than_average(fake, real),
        paired=True,
        boundary=None,
    ),
    "fgan_kl": Loss(
        source="f-GAN with KL(real, fake): T(x) = x, f*(t) = exp(t - 1); G minimises the bound. Nowozin et al. 2016, tables 2 and 6",
        d=lambda real, fake: (fake - 1).exp().mean() - real.mean(),
        g=lambda real, fake: -(fake - 1).exp().mean(),
        zero_sum=True,
        boundary=1.0,  # f'(1)
    ),
    "fgan_pearson": Loss(
        source="f-GAN with Pearson's chi²: T(x) = x, f*(t) = t²/4 + t; G minimises the bound. Nowozin et al. 2016, tables 2 and 6",
        d=lambda real, fake: (fake.square() / 4 + fake).mean() - real.mean(),
        g=lambda real, fake: -(fake.square() / 4 + fake).mean(),
        zero_sum=True,
    ),
    "energy": energy_loss(10.0),  # Zhao et al.'s margin on MNIST
}
