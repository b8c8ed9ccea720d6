"""RANGES: every setting's sensible range, and who says so. One line per setting; `g.lr: range` in a study file takes it from here."""

from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


@dataclass(frozen=True)
class Range:
    domain: BaseDistribution
    source: str


def log(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


def uniform(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high)


def whole(low: int, high: int) -> IntDistribution:
    return IntDistribution(low, high, log=True)


def one_of(*choices: str | int | float | bool) -> CategoricalDistribution:
    return CategoricalDistribution(choices)


RANGES: dict[str, Range] = {
    "arch": Range(one_of("mlp", "dcgan", "resnet"), "Goodfellow et al. 2014; Radford et al. 2016; Miyato et al. 2018"),
    "loss": Range(
        one_of("minimax", "nonsaturating", "hinge", "least_squares", "wasserstein", "relativistic", "relativistic_average"),
        "Lucic et al. 2018; Kurach et al. 2019; Jolicoeur-Martineau 2018",
    ),
    "margin": Range(log(1.0, 100.0), "Zhao et al. 2017 take 10 for MNIST, 20 and 80 for faces and rooms"),
    "g.lr": Range(log(1e-5, 1e-2), "Lucic et al. 2018, wide range; Kurach et al. 2019"),
    "d.lr": Range(log(1e-5, 1e-2), "Lucic et al. 2018, wide range; Heusel et al. 2017 set it apart from g.lr"),
    "optimiser": Range(
        one_of("adam", "adamw", "sgd", "rmsprop"), "Kingma & Ba 2015; Loshchilov & Hutter 2019; Robbins & Monro 1951; Arjovsky et al. 2017"
    ),
    "d.optimiser": Range(one_of("adam", "adamw", "sgd", "rmsprop"), "Chintala et al. 2016, tip 9: SGD for D, Adam for G"),
    "weight_decay": Range(log(1e-4, 0.1), "Loshchilov & Hutter 2019 search 1e-5 to 1e-1; PyTorch's AdamW takes 1e-2"),
    "update": Range(
        one_of("alternating", "simultaneous", "optimistic", "extragradient", "lookahead", "unrolled"),
        "Goodfellow et al. 2014; Nowozin et al. 2016; Daskalakis et al. 2018; Gidel et al. 2019; Chavdarova et al. 2021; Metz et al. 2017",
    ),
    "lookahead.k": Range(whole(3, 5000), "Chavdarova et al. 2021 use 5 for small images, up to 10,000 for ImageNet"),
    "lookahead.alpha": Range(uniform(0.2, 0.8), "Zhang et al. 2019 search .2 to .8; Chavdarova et al. 2021 use .5"),
    "unrolled.steps": Range(one_of(1, 5, 10), "Metz et al. 2017, table 1; Lin et al. 2018, table 3"),
    "beta1": Range(uniform(0.0, 0.9), "Lucic et al. 2018 search [0, 1]; Kurach et al. 2019 try .5 and .9; above .9 nobody trains"),
    "beta2": Range(one_of(0.9, 0.99, 0.999), "Gulrajani et al. 2017; Huang et al. 2024; Radford et al. 2016"),
    "batch_size": Range(whole(32, 512), "Lucic et al. 2018 use 64; Brock et al. 2019 go far higher"),
    "d_steps": Range(one_of(1, 2, 5), "Lucic et al. 2018 and Kurach et al. 2019: 1 or 5"),
    "g_steps": Range(one_of(1, 2), "Srivastava et al. 2017 and Lin et al. 2018 take 2 on stacked MNIST"),
    "latent.dim": Range(whole(8, 512), "Radford et al. 2016 use 100; Karras et al. 2018 use 512"),
    "latent.distribution": Range(one_of("normal", "uniform", "sphere"), "Goodfellow 2016; Radford et al. 2016; Karras et al. 2018"),
    "g.width": Range(whole(16, 256), "a quarter to four times the 64 of Radford et al. 2016"),
    "d.width": Range(whole(16, 256), "a quarter to four times the 64 of Radford et al. 2016"),
    "g.depth": Range(IntDistribution(1, 4), "Lin et al. 2018 use 4 on points; Metz et al. 2017 use 2"),
    "d.depth": Range(IntDistribution(1, 4), "Lin et al. 2018 use 3 on points; Metz et al. 2017 use 2"),
    "g.activation": Range(one_of("relu", "leaky_relu", "selu", "elu", "gelu", "silu"), "Radford et al. 2016; Huang et al. 2024, ablation"),
    "d.activation": Range(one_of("relu", "leaky_relu", "selu", "elu", "gelu", "silu"), "Radford et al. 2016; Huang et al. 2024, ablation"),
    "g.norm": Range(one_of("none", "batch", "layer"), "Radford et al. 2016; Kurach et al. 2019"),
    "d.norm": Range(one_of("none", "batch", "layer"), "Kurach et al. 2019"),
    "instance_noise.std": Range(log(0.01, 1.0), "Sonderby et al. 2017 start near .1; Mescheder et al. 2018 study more"),
    "instance_noise.until": Range(uniform(0.25, 1.0), "Sonderby et al. 2017 anneal over the whole training"),
    "packing.samples": Range(one_of(2, 3, 4), "Lin et al. 2018, table 1"),
    "label_smoothing.real": Range(uniform(0.7, 1.0), "Salimans et al. 2016 use .9; courses go down to .7"),
    "weight_clipping.limit": Range(log(1e-3, 1.0), "Lucic et al. 2018, wide range; Arjovsky et al. 2017 use .01"),
    "weight_penalty.weight": Range(log(1e-4, 10.0), "Kurach et al. 2019, L2"),
    "r1.gamma": Range(log(1e-2, 1e2), "Mescheder et al. 2018 use 10; Huang et al. 2024 use .05 to 150 by data set"),
    "r2.gamma": Range(log(1e-2, 1e2), "Mescheder et al. 2018 use 10; Huang et al. 2024 use .05 to 150 by data set"),
    "wgan_gp.weight": Range(log(1e-1, 1e2), "Lucic et al. 2018 and Kurach et al. 2019; Gulrajani et al. 2017 use 10"),
    "dragan.weight": Range(log(1e-1, 1e2), "Lucic et al. 2018; Kodali et al. 2017 use 10"),
    "ema.halflife_kimg": Range(log(0.1, 100.0), "Karras et al. 2020 use 10 to 20; Huang et al. 2024 up to 500"),
}
