"""RANGES: every setting's sensible range, and who says so. One line per setting; `g.lr: range` in a study file takes it from here. UNRANGED: those that have none, and why."""

from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from trainables.sections import DataConfig


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


LAZY = "Karras et al. 2020 (StyleGAN2) use 16; Huang et al. 2024 find that 8 fails on points and on stacked digits"
WARMING = "of rates: Goyal et al. 2017 take 5 of 90 epochs; of a penalty's weight no publication is known to us"
FADING = "Huang et al. 2024: gamma to a tenth, along a cosine over the first part of the training"
SLOPE = "Maas et al. 2013: .01; Radford et al. 2016: .2; Metz et al. 2017: .3"
KERNEL = "Metz et al. 2017: 3; Miyato et al. 2018: 3 and 4; Radford et al. 2016: 5"
INIT = "Radford et al. 2016; Gulrajani et al. 2017; He et al. 2015; Brock et al. 2019. fixup waits for residual blocks without norms"
GAIN = "Glorot & Bengio 2010 and Saxe et al. 2014: 1; Metz et al. 2017, the code of the authors' demo: 1.4 with orthogonal weights"
HEAD = "Radford et al. 2016 describe dense ones, most code since has convolutions; Chen et al. 2016 and Miyato et al. 2018: dense"

RANGES: dict[str, Range] = {
    "arch": Range(
        one_of("mlp", "dcgan", "resnet", "infogan", "r3"),
        "Goodfellow et al. 2014; Radford et al. 2016; Miyato et al. 2018; Chen et al. 2016; Huang et al. 2024",
    ),
    "loss": Range(
        one_of("minimax", "nonsaturating", "hinge", "least_squares", "wasserstein", "relativistic", "relativistic_average"),
        "Lucic et al. 2018; Kurach et al. 2019; Jolicoeur-Martineau 2018",
    ),
    "margin": Range(log(1.0, 100.0), "Zhao et al. 2017: 10 for MNIST (fixed, not tuned), 20 for CelebA, 80 for LSUN"),
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
    "lookahead.k": Range(whole(3, 300), "Chavdarova et al. 2021 use 5 for small images, up to 10,000 for ImageNet and its long runs"),
    "lookahead.alpha": Range(uniform(0.2, 0.8), "Zhang et al. 2019 search .2 to .8; Chavdarova et al. 2021 use .5"),
    "unrolled.steps": Range(one_of(1, 5, 10), "Metz et al. 2017, table 1; Lin et al. 2018, table 3"),
    "g.condition": Range(one_of("concat", "batchnorm"), "Mirza & Osindero 2014; Dumoulin et al. 2017 and Miyato & Koyama 2018"),
    "g.embedding": Range(whole(8, 256), "Brock et al. 2019 share one of 128; one-hot is Mirza & Osindero 2014's"),
    "d.condition": Range(
        one_of("concat", "auxiliary", "projection"), "Mirza & Osindero 2014; Odena et al. 2017; Miyato & Koyama 2018 compare the three"
    ),
    "d.class_weight": Range(log(0.1, 10.0), "Odena et al. 2017: 1, a decade around it"),
    "beta1": Range(uniform(0.0, 0.9), "Lucic et al. 2018 search [0, 1]; Kurach et al. 2019 try .5 and .9; above .9 nobody trains"),
    "beta2": Range(one_of(0.9, 0.99, 0.999), "Gulrajani et al. 2017; Huang et al. 2024; Radford et al. 2016"),
    "batch_size": Range(whole(32, 512), "Lucic et al. 2018 use 64; Brock et al. 2019 go far higher"),
    "d_steps": Range(one_of(1, 2, 5), "Lucic et al. 2018 and Kurach et al. 2019: 1 or 5"),
    "g_steps": Range(one_of(1, 2), "Srivastava et al. 2017 and Lin et al. 2018 take 2 on stacked MNIST"),
    "latent.dim": Range(whole(8, 512), "Radford et al. 2016 use 100; Karras et al. 2018 use 512"),
    "latent.distribution": Range(
        one_of("normal", "uniform", "sphere", "truncated"), "Goodfellow 2016; Radford et al. 2016; Karras et al. 2018; Brock et al. 2019"
    ),
    "latent.truncation": Range(log(0.04, 2.0), "Brock et al. 2019, figure 2: thresholds from .04 to 2"),
    "g.width": Range(whole(16, 256), "a quarter to four times the 64 of Radford et al. 2016"),
    "d.width": Range(whole(16, 256), "a quarter to four times the 64 of Radford et al. 2016"),
    "g.depth": Range(IntDistribution(1, 4), "Lin et al. 2018 use 4 on points; Metz et al. 2017 use 2"),
    "d.depth": Range(IntDistribution(1, 4), "Lin et al. 2018 use 3 on points; Metz et al. 2017 use 2"),
    "g.activation": Range(one_of("relu", "leaky_relu", "selu", "elu", "gelu", "silu"), "Radford et al. 2016; Huang et al. 2024, ablation"),
    "d.activation": Range(one_of("relu", "leaky_relu", "selu", "elu", "gelu", "silu"), "Radford et al. 2016; Huang et al. 2024, ablation"),
    "g.norm": Range(one_of("none", "batch", "layer", "group"), "Radford et al. 2016; Kurach et al. 2019; Wu & He 2018"),
    "d.norm": Range(one_of("none", "batch", "layer", "group"), "Kurach et al. 2019; Wu & He 2018"),
    "g.slope": Range(log(0.01, 0.3), SLOPE),
    "d.slope": Range(log(0.01, 0.3), SLOPE),
    "g.kernel": Range(one_of(3, 4, 5), KERNEL),
    "d.kernel": Range(one_of(3, 4, 5), KERNEL),
    "g.dropout": Range(
        uniform(0.0, 0.5), "Chintala et al. 2016, tip 17, and Isola et al. 2017: .5 in G, while sampling too, where there is none here"
    ),
    "d.dropout": Range(uniform(0.0, 0.5), "Goodfellow et al. 2014, section 5; Salimans et al. 2016: .5 in D; tutorials take .25 to .4"),
    "g.init": Range(one_of("normal", "xavier", "kaiming", "orthogonal"), INIT),
    "d.init": Range(one_of("normal", "xavier", "kaiming", "orthogonal"), INIT),
    "g.gain": Range(log(0.5, 2.0), GAIN),
    "d.gain": Range(log(0.5, 2.0), GAIN),
    "g.head": Range(one_of("conv", "dense"), HEAD),
    "d.head": Range(one_of("conv", "dense"), HEAD),
    "g.upsampling": Range(
        one_of("transposed", "nearest", "bilinear", "pixel_shuffle"),
        "Radford et al. 2016; Odena et al. 2016; Karras et al. 2019; Shi et al. 2016",
    ),
    "g.output": Range(
        one_of("tanh", "sigmoid", "linear"), "Radford et al. 2016; Lucic et al. 2018; Karras et al. 2018 and Huang et al. 2024"
    ),
    "d.downsampling": Range(
        one_of("strided", "average", "max"), "Radford et al. 2016; Miyato et al. 2018; Chintala et al. 2016, tip 5, warn of max"
    ),
    "instance_noise.std": Range(log(0.01, 1.0), "Sonderby et al. 2017 start near .1; Mescheder et al. 2018 study more"),
    "instance_noise.until": Range(uniform(0.25, 1.0), "Sonderby et al. 2017 anneal over the whole training"),
    "instance_noise.shape": Range(one_of("linear", "constant", "cosine"), "Sonderby et al. 2017: linear; Mescheder et al. 2018: constant"),
    "diffaugment.policy": Range(
        one_of("translation", "translation,cutout", "colour,translation", "colour,cutout", "colour,translation,cutout"),
        "Zhao et al. 2020 compare these three and their combinations",
    ),
    "ada.target": Range(uniform(0.4, 0.8), "Karras et al. 2020 (ADA): .6"),
    "ada.speed_kimg": Range(log(50.0, 1000.0), "Karras et al. 2020 (ADA): 500; its code 100 for transfer"),
    "ada.policy": Range(
        one_of("flip,translation", "translation,colour", "flip,translation,colour", "flip,translation,colour,cutout"),
        "Karras et al. 2020 (ADA): flips and geometry help most, then colour",
    ),
    "consistency.real": Range(log(0.1, 100.0), "Zhang et al. 2020: 10, two decades below and one above"),
    "consistency.fake": Range(uniform(0.0, 10.0), "Zhang et al. 2020: 0; Zhao et al. 2021: 10"),
    "consistency.policy": Range(
        one_of("flip", "translation", "flip,translation", "cutout"), "Zhang et al. 2020 compare these: flips and shifts together are best"
    ),
    "packing.samples": Range(one_of(2, 3, 4), "Lin et al. 2018, table 1"),
    "label_flipping.share": Range(log(0.01, 0.3), "Chintala et al. 2016 flip occasionally; courses take .05 to .1"),
    "label_smoothing.real": Range(uniform(0.7, 1.0), "Salimans et al. 2016 use .9; courses go down to .7"),
    "label_smoothing.fake": Range(uniform(0.0, 0.3), "Salimans et al. 2016 keep 0 and warn of more; courses go up to .3"),
    "weight_clipping.limit": Range(log(1e-3, 1.0), "Lucic et al. 2018, wide range; Arjovsky et al. 2017 use .01"),
    "weight_penalty.weight": Range(
        log(1e-5, 1.0), "Kurach et al. 2019, L2: 1e-4 to 10 of the mean over layers, of which there are about 10"
    ),
    "orthogonal_regularisation.weight": Range(log(1e-5, 1e-2), "Brock et al. 2019 sweep 1e-5 to 1e-2 and take 1e-4"),
    "orthogonal_regularisation.net": Range(one_of("d", "g", "both"), "Brock et al. 2019 use it on G"),
    "gradient_penalty.where": Range(
        one_of("line", "around", "real", "fake", "both"),
        "Gulrajani et al. 2017; Kodali et al. 2017; Mescheder et al. 2018; Huang et al. 2024",
    ),
    "gradient_penalty.to": Range(one_of("one", "at_most_one", "zero"), "Gulrajani et al. 2017; Petzka et al. 2018; Mescheder et al. 2018"),
    "gradient_penalty.weight": Range(log(1e-1, 1e2), "Lucic et al. 2018 and Kurach et al. 2019; Gulrajani et al. 2017 use 10"),
    "r1.gamma": Range(log(1e-2, 1e2), "Mescheder et al. 2018 use 10; Huang et al. 2024 use .05 to 150 by data set"),
    "r2.gamma": Range(log(1e-2, 1e2), "Mescheder et al. 2018 use 10; Huang et al. 2024 use .05 to 150 by data set"),
    "wgan_gp.weight": Range(log(1e-1, 1e2), "Lucic et al. 2018 and Kurach et al. 2019; Gulrajani et al. 2017 use 10"),
    "dragan.weight": Range(log(1e-1, 1e2), "Lucic et al. 2018; Kodali et al. 2017 use 10"),
    "minibatch_discrimination.kernels": Range(whole(5, 200), "Salimans et al. 2016: 100 in their code; tutorials take 5 on points"),
    "minibatch_discrimination.dims": Range(whole(3, 50), "Salimans et al. 2016: 5 in their code; others up to 50"),
    "top_k.least": Range(one_of(0.5, 0.75, 0.9), "Sinha et al. 2020, section 3; public implementations take .5"),
    "top_k.decay": Range(one_of(0.9, 0.99, 0.999), "Sinha et al. 2020, section 3: .99, as public implementations have it"),
    "feature_matching.weight": Range(log(0.01, 10.0), "Salimans et al. 2016: 1, a decade or two around it"),
    "feature_matching.adversarial": Range(uniform(0.0, 1.0), "Salimans et al. 2016: 0; 1 is both objectives at once"),
    "mode_seeking.weight": Range(log(0.01, 10.0), "Mao et al. 2019: 1, two decades below and one above"),
    "historical_averaging.weight": Range(log(1e-4, 10.0), "Salimans et al. 2016: 1, and less as of weight_penalty"),
    "experience_replay.share": Range(uniform(0.1, 0.9), "Shrivastava et al. 2017: .5"),
    "experience_replay.images": Range(
        whole(512, 16384), "Zhu et al. 2017 keep 50; Shrivastava et al. 2017 do not state theirs; here 8 to 256 batches of 64"
    ),
    "lecam.weight": Range(
        log(1e-3, 1.0), "Tseng et al. 2021, code: .3 for BigGAN on CIFAR, 3e-7 for StyleGAN2 on FFHQ; two decades below the first"
    ),
    "lecam.decay": Range(one_of(0.9, 0.99, 0.999), "Tseng et al. 2021, code: .99"),
    "gradient_clipping.norm": Range(log(0.01, 10.0), "Pascanu et al. 2013: half to ten times the usual norm; 1 in most code"),
    "lr_schedule.shape": Range(one_of("constant", "linear", "cosine"), "Gulrajani et al. 2017; Huang et al. 2024"),
    "lr_schedule.warmup": Range(uniform(0.0, 0.1), "Goyal et al. 2017 take 5 of 90 epochs"),
    "lr_schedule.start": Range(uniform(0.0, 0.9), "Gulrajani et al. 2017: from the beginning; Zhu et al. 2017: from the half"),
    "lr_schedule.end": Range(uniform(0.0, 1.0), "Gulrajani et al. 2017: 0; Huang et al. 2024 stop at a quarter"),
    "ema.rampup": Range(log(0.01, 1.0), "Karras et al. 2020 (ADA): .05"),
    "swa.share": Range(uniform(0.05, 0.9), "Izmailov et al. 2018: a quarter; Yazici et al. 2019: nearly all"),
    "ema.halflife_kimg": Range(log(0.1, 100.0), "Karras et al. 2020 use 10 to 20; Huang et al. 2024 up to 500"),
}

RANGES |= {
    f"{penalty}.{setting}": line
    for penalty in ("gradient_penalty", "r1", "r2", "wgan_gp", "dragan", "weight_penalty", "orthogonal_regularisation")
    for setting, line in {
        "warmup": Range(uniform(0.0, 0.1), WARMING),
        "end": Range(uniform(0.0, 1.0), FADING),
        "until": Range(uniform(0.1, 1.0), FADING),
        "shape": Range(one_of("cosine", "linear", "constant"), FADING),
    }.items()
}
RANGES |= {f"{penalty}.interval": Range(one_of(1, 4, 16), LAZY) for penalty in ("gradient_penalty", "r1", "r2", "wgan_gp", "dragan")}


@dataclass(frozen=True)
class NoRange:
    """Why `range` cannot stand for a setting. never_varies: no study may vary it at all."""

    reason: str
    never_varies: bool = False


_OTHER_DATA = NoRange("it makes another data set, and metrics on different data cannot be compared; make two studies", never_varies=True)

# Every setting is either in RANGES or here.
NO_RANGE: dict[str, NoRange] = {
    "seed": NoRange("every trial gets its own seed; `seeds` says how many trials each config gets", never_varies=True),
    "budget_kimg": NoRange("trials of different length cannot be compared", never_varies=True),
    "tick_kimg": NoRange("it only says how often a trial is measured", never_varies=True),
    "loop": NoRange("there is one training loop; to compare it with a plugin's, give a list"),
    "data": NoRange("metrics on different data cannot be compared; make two studies", never_varies=True),
    "data.size": NoRange("sensible values depend on the data; for a learning curve give {low: …, high: …, log: true}"),
    **{f"data.{name}": _OTHER_DATA for name in DataConfig.model_fields if name not in ("name", "size", "root", "download")},
    "data.root": NoRange("it only says where the files are", never_varies=True),
    "data.download": NoRange("it only says how the files are obtained", never_varies=True),
}
NEVER_VARIES: dict[str, str] = {name: entry.reason for name, entry in NO_RANGE.items() if entry.never_varies}
