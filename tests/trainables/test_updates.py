"""Update rules: their paths in the game min over x, max over y of xy, which has closed forms, and their steps in networks."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import leaky_relu, softplus

from trainables.losses import LOSSES, Loss
from trainables.models import ARCHS
from trainables.models.base import Architecture
from trainables.run import Run
from trainables.updates import UPDATES

RATE = 0.3
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])  # the vector field of the game: the derivatives of xy by x, and of -xy by y
PLAIN = {"optimiser": "sgd", "beta1": 0.0, "g.lr": RATE, "d.lr": RATE}


class X(nn.Module):
    """A G with one weight x: every sample is (x, 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([self.x, torch.zeros_like(self.x)]).expand(len(z), 2)


class Y(nn.Module):
    """A D with one weight y: y times the first coordinate, so that the logit of every sample is xy."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return self.y * images[:, 0]


@pytest.fixture
def game() -> Iterator[None]:
    ARCHS["xy"] = Architecture(source="xy", generator=lambda config, shape: X(), discriminator=lambda *_: Y(), check=lambda config: None)  # type: ignore[arg-type]
    LOSSES["xy"] = Loss(source="xy", d=lambda real, fake: -fake.mean(), g=lambda real, fake: fake.mean())
    yield
    del ARCHS["xy"], LOSSES["xy"]


def path(steps: int, settings: dict[str, Any]) -> np.ndarray:
    """Return x and y after each step, [steps + 1, 2], from (1, 0.5)."""
    run = tiny({**PLAIN, "arch": "xy", "loss": "xy", **settings})
    g, d = run.nets.g, run.nets.d
    assert isinstance(g, X)
    assert isinstance(d, Y)
    places = [(g.x.item(), d.y.item())]
    for _ in range(steps):
        run.rule.step(run)
        places.append((g.x.item(), d.y.item()))
    return np.array(places)


def alternating_matrix(rate: float) -> np.ndarray:
    """Return the matrix of one step of y followed by one of x."""
    y = np.array([[1, 0], [rate, 1]])
    return np.matmul(np.array([[1, -rate], [0, 1]]), y)  # type: ignore[no-any-return]


def test_every_rule_is_tested_here() -> None:
    """A new rule fails here until this file tests its definition."""
    assert UPDATES.keys() == {"alternating", "simultaneous", "optimistic", "extragradient", "lookahead", "unrolled"}


# In the game -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("game")
def test_simultaneous_gradients_spiral_outwards() -> None:
    """Each step is I - rate × field, which multiplies the norm by √(1 + rate²)."""
    lengths = np.linalg.norm(path(30, {"update": "simultaneous"}), axis=1)
    np.testing.assert_allclose(lengths[1:] / lengths[:-1], math.sqrt(1 + RATE**2))


@pytest.mark.usefixtures("game")
def test_alternating_gradients_circle() -> None:
    """x² + y² + rate × xy is constant: the path stays on an ellipse."""
    places = path(200, {"update": "alternating"})
    x, y = places.T
    np.testing.assert_allclose(x**2 + y**2 + RATE * x * y, 1.75 - 0.5 + 0.5 * RATE)
    np.testing.assert_allclose(places[1], alternating_matrix(RATE) @ places[0])


@pytest.mark.usefixtures("game")
def test_extragradient_converges_at_its_rate() -> None:
    """Each step is I - rate F + rate² F², and F² = -I: the norm is multiplied by √((1 - rate²)² + rate²) < 1. Gidel et al. 2019, section 3."""
    places = path(30, {"update": "extragradient"})
    lengths = np.linalg.norm(places, axis=1)
    np.testing.assert_allclose(lengths[1:] / lengths[:-1], math.sqrt((1 - RATE**2) ** 2 + RATE**2))
    np.testing.assert_allclose(places[1], ((1 - RATE**2) * np.eye(2) - RATE * TURN) @ places[0])


@pytest.mark.usefixtures("game")
def test_optimistic_converges_at_its_rate() -> None:
    """y += rate (2 x_t - x_(t-1)), x -= rate (2 y_(t+1) - y_t): solutions z^t with z (z - 1)² + rate² (2z - 1)² = 0, all within the unit circle."""
    rate, steps = RATE, 60
    places = path(steps, {"update": "optimistic"})
    (x, y), xs, ys = places[0], [0.0], [0.0]  # s_0 = 0: no step before the first one
    for place in places[1:]:
        xs.append(x)
        y += rate * (2 * xs[-1] - xs[-2])
        ys.append(y)
        x -= rate * (2 * ys[-1] - ys[-2])
        np.testing.assert_allclose(place, [x, y])
    slowest = max(abs(np.roots([1, 4 * rate**2 - 2, 1 - 4 * rate**2, rate**2])))
    assert slowest < 1
    length = np.linalg.norm(places[-1])
    assert math.log(length) / steps == pytest.approx(math.log(slowest), abs=0.02)


@pytest.mark.usefixtures("game")
@pytest.mark.parametrize(("k", "alpha"), [(1, 0.5), (4, 0.3), (5, 1.0)])
def test_lookahead_averages_slow_and_fast_weights(k: int, alpha: float) -> None:
    places = path(3 * k, {"update": "lookahead", "lookahead.k": k, "lookahead.alpha": alpha})
    loop = (1 - alpha) * np.eye(2) + alpha * np.linalg.matrix_power(alternating_matrix(RATE), k)
    for i in range(3):
        np.testing.assert_allclose(places[(i + 1) * k], loop @ places[i * k])
        for j in range(k - 1):  # in between: alternating updates
            np.testing.assert_allclose(places[i * k + j + 1], alternating_matrix(RATE) @ places[i * k + j])
    if alpha < 1:
        assert max(abs(np.linalg.eigvals(loop))) < 1  # the path spirals inwards


def test_averages_of_g_use_the_weights_after_lookahead() -> None:
    """As in the code of Chavdarova et al.: after two updates with k = 2, SWA is the mean of the first fast and of the new slow weights."""
    run = tiny({"update": "lookahead", "lookahead.k": 2, "swa": True, "swa.share": 1.0, "g.norm": "none", "g.lr": 0.1})
    run.rule.step(run)
    first = vector(run.nets.g)
    run.rule.step(run)
    returned = vector(run.nets.g)
    torch.testing.assert_close(returned, torch.cat([p.flatten() for p in run.rule.slow[: len(list(run.nets.g.parameters()))]]))  # type: ignore[attr-defined]
    torch.testing.assert_close(vector(run.generator().net), (first + returned) / 2)


@pytest.mark.usefixtures("game")
@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 3), (2, 1), (2, 2)])
def test_alternating_rounds(d_steps: int, g_steps: int) -> None:
    """d_steps updates of y, then g_steps of x, which all belong to the last step before the next updates of y."""
    places = path(2 * d_steps, {"d_steps": d_steps, "g_steps": g_steps})
    x, y = places[0]
    for i, place in enumerate(places[1:], 1):
        y += RATE * x
        x -= g_steps * RATE * y * (i % d_steps == 0)
        np.testing.assert_allclose(place, [x, y])


# In networks -----------------------------------------------------------------------------------------


def vector(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach().clone()


def of_state(run: Run, name: str) -> Tensor:
    return torch.cat([run.d_opt.state[p][name].flatten() for p in run.nets.d.parameters()])


def test_optimistic_adam() -> None:
    """theta -= 2 lr u_t - lr u_(t-1) with u = m̂ / (√v̂ + eps). Daskalakis et al. 2018, algorithm 1."""
    run, lr = tiny({"update": "optimistic", "d.lr": 0.01}), 0.01
    last = torch.zeros_like(vector(run.nets.d))
    for t in (1, 2, 3):
        before = vector(run.nets.d)
        run.rule.step(run)
        mean, square = of_state(run, "exp_avg") / (1 - 0.5**t), of_state(run, "exp_avg_sq") / (1 - 0.999**t)
        now = -lr * mean / (square.sqrt() + 1e-8)
        torch.testing.assert_close(vector(run.nets.d), before + 2 * now - last, rtol=1e-4, atol=1e-7)
        last = now


def test_extra_adam() -> None:
    """Both gradients of a step update Adam's moments; the weights are updated from their old values by the second. Gidel et al. 2019, algorithm 4."""
    run, lr = tiny({"update": "extragradient", "d.lr": 0.01}), 0.01
    for i in (1, 2, 3):
        before = vector(run.nets.d)
        run.rule.step(run)
        t = 2 * i
        assert {run.d_opt.state[p]["step"].item() for p in run.nets.d.parameters()} == {t}
        mean, square = of_state(run, "exp_avg") / (1 - 0.5**t), of_state(run, "exp_avg_sq") / (1 - 0.999**t)
        torch.testing.assert_close(vector(run.nets.d), before - lr * mean / (square.sqrt() + 1e-8), rtol=1e-4, atol=1e-7)
    assert (run.images, run.d_updates, run.g_updates) == (6 * 12, 3, 3)  # both batches of a step count


def test_ds_constraints_hold_at_the_extrapolated_point(monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny({"update": "extragradient", "weight_clipping": True, "d.lr": 1.0})
    largest = []
    gradient = run.d_gradient
    monkeypatch.setattr(run, "d_gradient", lambda: largest.append(vector(run.nets.d).abs().max().item()) or gradient())  # type: ignore[func-returns-value]
    run.rule.step(run), run.rule.step(run)
    assert largest[0] > 0.1
    assert largest[1:] == pytest.approx([0.01] * 3)


def test_simultaneous_takes_both_gradients_at_the_same_point() -> None:
    """G's first gradient is that with the initial D."""
    runs = {rule: tiny({"update": rule, "d.lr": 0.5}) for rule in ("simultaneous", "alternating")}
    still = tiny({"d.lr": 1e-30})
    gradients = {}
    for rule, run in (runs | {"still": still}).items():
        run.rule.step(run)
        gradients[rule] = torch.cat([p.grad.flatten() for p in run.nets.g.parameters() if p.grad is not None])
    assert torch.equal(gradients["simultaneous"], gradients["still"])
    assert not torch.allclose(gradients["simultaneous"], gradients["alternating"])


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("loss", ["nonsaturating", "minimax"])
def test_unrolled_is_autograd_through_ds_steps(steps: int, loss: str) -> None:
    """D, a dense network of two hidden layers, and Adam are written out. In minimax, a zero-sum game, G's loss includes minus that of D on real images."""
    settings = {"update": "unrolled", "unrolled.steps": steps, "loss": loss, "d.lr": 0.05, "beta1": 0.3, "beta2": 0.9, "g.norm": "none"}
    run = tiny(settings)
    run.d_step()
    g, d, opt = copy.deepcopy(run.nets.g), run.nets.d, copy.deepcopy(run.d_opt.state_dict()["state"])
    before, rng, batches = vector(d), run.rng.get_state(), copy.deepcopy(run.batches.state_dict())
    run.rule.g_step(run)  # type: ignore[attr-defined]
    assert torch.equal(vector(d), before)
    for i, p in enumerate(d.parameters()):
        assert all(torch.equal(run.d_opt.state[p][name], opt[i][name]) for name in ("step", "exp_avg", "exp_avg_sq"))

    run.rng.set_state(rng)
    run.batches.load_state_dict(batches)
    real, fake = run.batches.next_batch(), g(run.noise())

    def logits(images: Tensor, w: list[Tensor]) -> Tensor:
        hidden = leaky_relu(leaky_relu(images @ w[0].T + w[1], 0.2) @ w[2].T + w[3], 0.2)
        return (hidden @ w[4].T + w[5]).flatten()

    w = [p.detach().requires_grad_() for p in d.parameters()]
    m, v = ([opt[i][name] for i in range(6)] for name in ("exp_avg", "exp_avg_sq"))
    for t in range(2, 2 + steps):
        lost = softplus(-logits(real, w)).mean() + softplus(logits(fake, w)).mean()
        slopes = torch.autograd.grad(lost, w, create_graph=True)
        m = [0.3 * a + 0.7 * s for a, s in zip(m, slopes, strict=True)]
        v = [0.9 * a + 0.1 * s**2 for a, s in zip(v, slopes, strict=True)]
        w = [p - 0.05 * (a / (1 - 0.3**t)) / ((b / (1 - 0.9**t)).sqrt() + 1e-8) for p, a, b in zip(w, m, v, strict=True)]
    on_real, on_fake = (softplus(-logits(images, w)).mean() for images in (real, fake))
    wanted = -(on_real + softplus(logits(fake, w)).mean()) if loss == "minimax" else on_fake
    expected = torch.autograd.grad(wanted, list(g.parameters()))
    for p, gradient in zip(run.nets.g.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-4, atol=1e-7)


def test_unrolled_steps_do_not_change_d() -> None:
    """Neither weights, optimiser nor gradients of D, with every penalty on."""
    on = dict.fromkeys(("r1", "r2", "wgan_gp", "dragan", "weight_penalty", "spectral_norm", "minibatch_std"), True)
    run = tiny({"update": "unrolled", "unrolled.steps": 2, **on})
    run.d_step()
    before, state = vector(run.nets.d), copy.deepcopy(run.d_opt.state_dict())
    gradients = [p.grad.clone() for p in run.nets.d.parameters() if p.grad is not None]
    run.rule.g_step(run)  # type: ignore[attr-defined]
    assert torch.equal(vector(run.nets.d), before)
    torch.testing.assert_close(run.d_opt.state_dict(), state, rtol=0, atol=0)
    assert all(torch.equal(p.grad, was) for p, was in zip(run.nets.d.parameters(), gradients, strict=True) if p.grad is not None)
    assert all(p.requires_grad for p in run.nets.d.parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in run.nets.g.parameters())


@pytest.mark.parametrize("penalty", ["r1", "r2", "gradient_penalty"])
def test_penalties_in_unrolled_steps_hold_ds_weights_fixed(penalty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D's later weights depend on the images of earlier steps. |dD(x)/dx| must not include this: it is taken at fixed weights."""
    settings = {"gradient_penalty.where": "both", "gradient_penalty.to": "zero"} if penalty == "gradient_penalty" else {}
    run = tiny({"update": "unrolled", "unrolled.steps": 3, "d.lr": 0.02, "g.norm": "none", penalty: True, **settings})
    run.d_step()
    d_forward, d_terms, found = run.d_forward, run.d_terms, []

    def looked(*args: Any, **more: Any) -> Any:
        step = d_forward(*args, **more)
        weights = {name: p.detach() for name, p in run.nets.d.named_parameters()}
        sides = [x.detach().requires_grad_() for x in (*step.reals()[:1], step.fake)]
        slopes = [
            torch.autograd.grad(functional_call(run.nets.d, weights, (x,)).sum(), x)[0].square().flatten(1).sum(1).mean() for x in sides
        ]
        found.append({"r1": 5 * slopes[0], "r2": 5 * slopes[1], "gradient_penalty": 10 * (slopes[0] + slopes[1])}[penalty])
        return step

    monkeypatch.setattr(run, "d_forward", looked)
    terms: list[Tensor] = []
    monkeypatch.setattr(run, "d_terms", lambda step: (made := d_terms(step), terms.append(made[f"d/{penalty}"].detach()))[0])  # type: ignore[func-returns-value]
    run.rule.g_step(run)  # type: ignore[attr-defined]
    assert len(terms) == 3
    torch.testing.assert_close(torch.stack(terms), torch.stack(found), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("rule", UPDATES)
def test_every_rule_changes_the_training(rule: str) -> None:
    def evaluated(update: str) -> Tensor:
        run = tiny({"update": update, "d.lr": 0.05})
        list(run.ticks())
        return run.generator().sample(5)

    assert torch.equal(evaluated(rule), evaluated("alternating")) == (rule == "alternating")


@pytest.mark.parametrize(("setting", "values"), {"lookahead.k": (2, 3), "lookahead.alpha": (0.3, 0.6), "unrolled.steps": (1, 2)}.items())
def test_every_setting_changes_the_training(setting: str, values: tuple[float, float]) -> None:
    def evaluated(value: float) -> Tensor:
        run = tiny({"update": setting.partition(".")[0], setting: value, "d.lr": 0.05, "g.lr": 0.05})
        list(run.ticks())
        return run.generator().sample(5)

    assert not torch.equal(evaluated(values[0]), evaluated(values[1]))


@pytest.mark.parametrize("rule", UPDATES)
def test_steps_with_non_finite_gradients_are_skipped(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither D nor the state of the rule changes."""
    run = tiny({"update": rule, "d.lr": 0.05})
    run.rule.step(run), run.rule.step(run)
    before, remembered = vector(run.nets.d), copy.deepcopy(run.rule.state_dict())
    terms = run.d_terms
    monkeypatch.setattr(run, "d_terms", lambda step: {name: math.nan * term for name, term in terms(step).items()})
    monkeypatch.setattr(run, "g_terms", lambda step: {"g/adv": math.nan * step.fake_logits.mean()})
    signals = run.rule.step(run)
    assert not signals["d/adv"].isfinite()
    assert torch.equal(vector(run.nets.d), before)
    torch.testing.assert_close(run.rule.state_dict(), remembered, rtol=0, atol=0)


def test_ticks_do_not_depend_on_the_images_per_step() -> None:
    """A step of extragradient shows D two batches, 24 images; ticks are due every 36."""
    ticks = [tick.images for tick in tiny({"update": "extragradient", "tick_kimg": 0.036}).ticks()]
    assert ticks == [0, 48, 72, 120, 144]
