"""Names of signals: what training itself reports at a tick."""

from ganstudy.registry import Registry
from trainables.tricks import TRICKS
from trainables.tricks.base import Trick

MEMORY, UTILISATION = "device/memory_mb", "device/utilisation"
OF_GPU = (MEMORY, UTILISATION)  # of the machine, so no trial on a CPU has them
SIGNALS: Registry[str] = Registry("signal")
SIGNALS |= {
    "d/adv": "loss of D, without penalties",
    "g/adv": "loss of G, without penalties",
    "d/class": "loss of D's auxiliary classifier",
    "g/class": "loss of G by D's auxiliary classifier",
    "d/grad_norm": "norm of D's gradient",
    "g/grad_norm": "norm of G's gradient",
    "d/real_logit": "mean logit of D on real images",
    "d/fake_logit": "mean logit of D on fake images",
    "d/distance": "mean logit on real minus mean logit on fake images",
    "d/real_accuracy": "share of real images that D recognises; only for losses with a decision boundary",
    "d/fake_accuracy": "share of fake images that D recognises; only for losses with a decision boundary",
    "d/image_grad_real": "mean norm of the gradient of D's logit by a real image",
    "d/image_grad_fake": "mean norm of the gradient of D's logit by a fake image",
    "d/ada_p": "probability of augmentation that `ada` has reached",
    "g/updates": "number of updates of G so far",
    MEMORY: "largest memory of a GPU so far, in MiB; only of trials with a process of their own",
    UTILISATION: "utilisation of the GPU at the tick, in percent",
}
"""Signal -> what it is, without the terms of tricks. A plugin adds the signals of its training loop or of its tricks' hooks."""


def signal_names() -> list[str]:
    """Return the names of all signals, including the loss terms of tricks (`d/r1`)."""
    terms = [
        f"{side}/{name}"
        for name, trick in TRICKS.items()
        for side in ("d", "g")
        if getattr(trick, f"{side}_term") is not getattr(Trick, f"{side}_term")
    ]
    return sorted({*SIGNALS, *terms})
