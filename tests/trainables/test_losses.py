"""All losses: closed forms, gradient directions, boundaries, labels and margins."""

import math

import pytest
import torch
from tiny import tiny
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from trainables.losses import LOSSES, Loss, energy, energy_loss

LOG2 = math.log(2)
AT_ZERO = {  # (d, g) at logits 0, computed by hand from the papers' formulas
    "minimax": (2 * LOG2, -LOG2),
    "nonsaturating": (2 * LOG2, LOG2),
    "hinge": (2.0, 0.0),
    "least_squares": (0.5, 0.5),
    "wasserstein": (0.0, 0.0),
    "relativistic": (LOG2, LOG2),
    "relativistic_average": (2 * LOG2, 2 * LOG2),
    "fgan_kl": (1 / math.e, -1 / math.e),
    "fgan_pearson": (0.0, 0.0),
    "energy": (10.0, LOG2),
}
ZERO_SUM = {"minimax", "wasserstein", "fgan_kl", "fgan_pearson"}
LABELLED = {name: loss for name, loss in LOSSES.items() if loss.relabel}
every_loss = pytest.mark.parametrize("name", LOSSES)


def logits(seed: int, n: int = 1000, *, low: float = 0.0, high: float = 1.0) -> Tensor:
    return (low + (high - low) * torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).requires_grad_()


@every_loss
def test_values_at_zero(name: str) -> None:
    zero, loss = torch.zeros(5), LOSSES[name]
    assert (loss.d(zero, zero).item(), loss.g(zero, zero).item()) == pytest.approx(AT_ZERO[name])


@every_loss
def test_gradients_separate_the_sides_for_d_and_raise_fakes_for_g(name: str) -> None:
    """Descent on d raises real logits and lowers fake ones. Descent on g raises fake ones and, if g is paired, lowers real ones."""
    real, fake, loss = logits(0), logits(1), LOSSES[name]  # within every margin
    d_real, d_fake = torch.autograd.grad(loss.d(real, fake), (real, fake))
    assert (d_real < 0).all()
    assert (d_fake > 0).all()
    g_real, g_fake = torch.autograd.grad(loss.g(real, fake), (real, fake), allow_unused=True)
    assert (g_fake < 0).all()
    assert (g_real is not None) == loss.paired
    if g_real is not None:
        assert (g_real > 0).all()


@every_loss
def test_only_zero_sum_losses_have_opposite_gradients(name: str) -> None:
    real, fake, loss = logits(0, low=-12, high=3), logits(1, low=-12, high=3), LOSSES[name]  # on both sides of every margin
    (lost,) = torch.autograd.grad(loss.d(real, fake), fake)
    (won,) = torch.autograd.grad(loss.g(real, fake), fake)
    assert torch.allclose(won, -lost) == loss.zero_sum == (name in ZERO_SUM)


@every_loss
def test_losses_are_means_over_the_batch(name: str) -> None:
    """Repeating the batch does not change the loss."""
    real, fake, loss = logits(0, low=-3, high=3), logits(1, low=-3, high=3), LOSSES[name]
    for side in (loss.d, loss.g):
        value = side(real, fake)
        assert value.shape == ()
        assert side(real.repeat(2), fake.repeat(2)).item() == pytest.approx(value.item())


@every_loss
def test_the_boundary_is_the_optimum_for_equal_densities(name: str) -> None:
    """With equal densities, D's gradient is 0 at the boundary; for a loss without a boundary it is 0 at every logit."""
    loss = LOSSES[name]
    if loss.boundary is None:
        for place in (-3.0, 0.0, 7.0):
            x = torch.tensor([place], requires_grad=True)
            (gradient,) = torch.autograd.grad(loss.d(x, x), x)
            assert gradient.item() == pytest.approx(0)
    else:
        x = torch.tensor([loss.boundary], requires_grad=True)
        (gradient,) = torch.autograd.grad(loss.d(x, x), x)
        assert gradient.item() == pytest.approx(0)
        far = torch.tensor([0.4])  # 0.4, because least squares penalises logits far from its labels
        assert loss.d(loss.boundary + far, loss.boundary - far) < loss.d(x, x) < loss.d(loss.boundary - far, loss.boundary + far)


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"fgan_kl"}))  # its conjugate is exponential, so it overflows
@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_far_logits_stay_finite(name: str, scale: float) -> None:
    real, fake, loss = torch.tensor([-scale, scale], requires_grad=True), torch.tensor([scale, -scale], requires_grad=True), LOSSES[name]
    for side in (loss.d, loss.g):
        value = side(real, fake)
        assert value.isfinite()
        assert all(
            gradient.isfinite().all() for gradient in torch.autograd.grad(value, (real, fake), allow_unused=True) if gradient is not None
        )


@every_loss
def test_sources_cite_a_year(name: str) -> None:
    assert any(character.isdigit() for character in LOSSES[name].source)  # a year


@pytest.mark.parametrize("name", ["minimax", "nonsaturating"])
def test_cross_entropy_is_torchs(name: str) -> None:
    real, fake = logits(0, low=-5, high=5), logits(1, low=-5, high=5)
    expected = binary_cross_entropy_with_logits(real, torch.ones_like(real)) + binary_cross_entropy_with_logits(
        fake, torch.zeros_like(fake)
    )
    assert LOSSES[name].d(real, fake).item() == pytest.approx(expected.item())
    wanted = {
        "minimax": -binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)),
        "nonsaturating": binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
    }
    assert LOSSES[name].g(real, fake).item() == pytest.approx(wanted[name].item())


def test_minimax_saturates_where_nonsaturating_does_not() -> None:
    """Gradients by a fake logit x are -s(x) and -s(-x). Their ratio is exp(x), so minimax has no gradient if D is sure of a fake."""
    x = logits(1, low=-8, high=8)
    (minimax,) = torch.autograd.grad(LOSSES["minimax"].g(x, x), x)
    (nonsaturating,) = torch.autograd.grad(LOSSES["nonsaturating"].g(x, x), x)
    torch.testing.assert_close(minimax, nonsaturating * x.detach().exp())
    torch.testing.assert_close(nonsaturating, -torch.sigmoid(-x.detach()) / len(x))


def test_hinge_has_no_gradient_beyond_the_margin() -> None:
    real, fake = torch.tensor([0.9, 1.1], requires_grad=True), torch.tensor([-0.9, -1.1], requires_grad=True)
    d_real, d_fake = torch.autograd.grad(LOSSES["hinge"].d(real, fake), (real, fake))
    assert d_real.tolist() == [-0.5, 0]
    assert d_fake.tolist() == [0.5, 0]


def test_relativistic_compares_pairs() -> None:
    """Pair by pair, not mean against mean. Swapping the sides swaps the losses of D and G."""
    real, fake, loss = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5]), LOSSES["relativistic"]
    assert loss.d(real, fake).item() == pytest.approx((math.log1p(math.exp(2)) + math.log1p(math.exp(2.5))) / 2)
    assert loss.g(real, fake) == loss.d(fake, real)


def test_wasserstein_is_minus_the_distance() -> None:
    real, fake = logits(0), logits(1)
    assert LOSSES["wasserstein"].d(real, fake).item() == pytest.approx((fake.mean() - real.mean()).item())


def test_losses_of_g_match_torch() -> None:
    real, fake = logits(0, low=-5, high=5), logits(1, low=-5, high=5)
    for name, wanted in {
        "hinge": -fake.mean(),
        "wasserstein": -fake.mean(),
        "least_squares": 0.5 * mse_loss(fake, torch.ones_like(fake)),
    }.items():
        torch.testing.assert_close(LOSSES[name].g(real, fake), wanted)


def soft(loss: Loss, real: Tensor, fake: Tensor, label: float) -> Tensor:
    """Return D's loss with the real label `label`, computed by torch."""
    targets, zeros = torch.full_like(real, label), torch.zeros_like(fake)
    if loss is LOSSES["least_squares"]:
        return 0.5 * mse_loss(real, targets) + 0.5 * mse_loss(fake, zeros)
    return binary_cross_entropy_with_logits(real, targets) + binary_cross_entropy_with_logits(fake, zeros)


@pytest.mark.parametrize("label", [0.7, 0.9, 1.0])
@pytest.mark.parametrize("name", LABELLED)
def test_relabelling_equals_soft_targets(name: str, label: float) -> None:
    """The value and the gradient by every logit agree."""
    real, fake, loss = logits(0, low=-5, high=5), logits(1, low=-5, high=5), LOSSES[name]
    assert loss.relabel
    ours, theirs = loss.d(real, fake) + loss.relabel(real, label), soft(loss, real, fake, label)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, (real, fake)), torch.autograd.grad(theirs, (real, fake)))


def test_relativistic_average_compares_with_the_other_sides_mean() -> None:
    """RaSGAN computed with torch's cross-entropy. Swapping the sides swaps the losses of D and G."""
    real, fake, loss = logits(0, low=-3, high=3), logits(1, low=-3, high=3), LOSSES["relativistic_average"]
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    of_real, of_fake = real - fake.mean(), fake - real.mean()
    expected = binary_cross_entropy_with_logits(of_real, ones) + binary_cross_entropy_with_logits(of_fake, zeros)
    torch.testing.assert_close(loss.d(real, fake), expected)
    torch.testing.assert_close(loss.g(real, fake), loss.d(fake, real))
    torch.testing.assert_close(loss.d(real + 7, fake + 7), expected)


@pytest.mark.parametrize("name", ["wasserstein", "relativistic", "relativistic_average"])
def test_losses_of_differences_ignore_a_shift_of_all_logits(name: str) -> None:
    real, fake, loss = logits(0), logits(1), LOSSES[name]
    for side in (loss.d, loss.g) if loss.paired else (loss.d,):
        assert side(real + 7, fake + 7).item() == pytest.approx(side(real, fake).item())


P, Q = torch.tensor([1, 2, 3, 4]), torch.tensor([4, 3, 2, 1])  # two distributions: counts of four atoms in a batch of ten
RATIO = P.double() / Q
DIVERGENCES = {  # D_f(P, Q) = sum of q f(p/q), and the critic f'(p/q) that attains it. Nowozin et al. 2016, eq. 2 and 5
    "fgan_kl": ((P / 10 * RATIO.log()).sum(), 1 + RATIO.log()),
    "fgan_pearson": (((P - Q) ** 2 / Q / 10).sum(), 2 * (RATIO - 1)),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_bound_of_an_f_gan_is_the_divergence(name: str) -> None:
    """-d is E_P T - E_Q f*(T). At the best critic it equals the divergence with gradient 0; at others it is less. g is the part that depends on G."""
    (divergence, best), loss = DIVERGENCES[name], LOSSES[name]

    def d(critic: Tensor) -> Tensor:
        return loss.d(critic.repeat_interleave(P), critic.repeat_interleave(Q))

    critic = best.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(d(critic), critic)
    assert -d(best).item() == pytest.approx(divergence.item(), rel=1e-6)
    torch.testing.assert_close(gradient, torch.zeros(4, dtype=torch.float64), atol=1e-7, rtol=0)
    for other in (best + 0.1, 0.9 * best, best.flip(0)):
        assert -d(other) < divergence
    real, fake = best.repeat_interleave(P), best.repeat_interleave(Q)
    torch.testing.assert_close(loss.g(real, fake), -loss.d(real, fake) - real.mean())


@pytest.mark.parametrize("margin", [10.0, 3.0])
def test_energy_is_never_negative_and_has_a_margin(margin: float) -> None:
    """Fakes beyond the margin have no gradient. If D cannot separate the sides, d equals the margin (Zhao et al. 2017, theorem 1)."""
    x, loss = logits(0, low=-30, high=30), energy_loss(margin)
    assert (energy(x) >= 0).all()
    fake = torch.tensor([-margin - 1, -margin + 1], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss.d(x, fake), fake)
    assert gradient[0] == 0
    assert gradient[1].item() == pytest.approx(0.5 * torch.sigmoid(torch.tensor(margin - 1)).item())
    within = x[x > -margin + 1]
    assert loss.d(within, within).item() == pytest.approx(margin)
    assert loss.g(x, within).item() == pytest.approx(energy(within).mean().item())


def test_the_margin_setting_reaches_the_loss() -> None:
    loss = tiny({"loss": "energy", "margin": 3.0}).loss
    zero = torch.zeros(4)
    assert (loss.margin, loss.d(zero, zero).item()) == (3.0, pytest.approx(3.0))  # type: ignore[comparison-overlap]
