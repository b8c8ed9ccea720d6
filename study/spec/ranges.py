"""RANGES: a sensible range for each setting, with its source. `g.lr: range` in a study file takes it. NO_RANGE: settings without a range, with the reason."""

from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from trainables.sections import DataConfig


@dataclass(frozen=True)
class Range:
    """The domain of a setting, and the publications that it is taken from."""

    domain: BaseDistribution
    source: str


def _log(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


def _uniform(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high)


def _whole(low: int, high: int) -> IntDistribution:
    return IntDistribution(low, high, log=True)


def _one_of(*choices: str | int | float | bool) -> CategoricalDistribution:
    return CategoricalDistribution(choices)


_LAZY = "Karras et al. 2020 (StyleGAN2) use 16; Huang et al. 2024 find that 8 fails on points and on stacked digits"
_WARMING = "learning rates: Goyal et al. 2017 take 5 of 90 epochs; for weights of penalties we know of no publication"
_FADING = "Huang et al. 2024: gamma decays to a tenth, along a cosine over the first part of training"
_SLOPE = "Maas et al. 2013: .01; Radford et al. 2016: .2; Metz et al. 2017: .3"
_KERNEL = "Metz et al. 2017: 3; Miyato et al. 2018: 3 and 4; Radford et al. 2016: 5"
_INIT = "Radford et al. 2016; Gulrajani et al. 2017; He et al. 2015; Brock et al. 2019. fixup is left out: it is for residual blocks without norms"
_GAIN = "Glorot & Bengio 2010 and Saxe et al. 2014: 1; Metz et al. 2017, the code of the authors' demo: 1.4 with orthogonal weights"
_HEAD = "Radford et al. 2016 describe dense heads, most later code has convolutions; Chen et al. 2016 and Miyato et al. 2018: dense"

RANGES: dict[str, Range] = {
    "arch": Range(
        _one_of("mlp", "dcgan", "resnet", "infogan", "r3"),
        "Goodfellow et al. 2014; Radford et al. 2016; Miyato et al. 2018; Chen et al. 2016; Huang et al. 2024",
    ),
    "loss": Range(
        _one_of("minimax", "nonsaturating", "hinge", "least_squares", "wasserstein", "relativistic", "relativistic_average"),
        "Lucic et al. 2018; Kurach et al. 2019; Jolicoeur-Martineau 2018",
    ),
    "margin": Range(_log(1.0, 100.0), "Zhao et al. 2017: 10 for MNIST (fixed, not tuned), 20 for CelebA, 80 for LSUN"),
    "g.lr": Range(_log(1e-5, 1e-2), "Lucic et al. 2018, wide range; Kurach et al. 2019"),
    "d.lr": Range(_log(1e-5, 1e-2), "Lucic et al. 2018, wide range; Heusel et al. 2017 set it separately from g.lr"),
    "optimiser": Range(
        _one_of("adam", "adamw", "sgd", "rmsprop"), "Kingma & Ba 2015; Loshchilov & Hutter 2019; Robbins & Monro 1951; Arjovsky et al. 2017"
    ),
    "d.optimiser": Range(_one_of("adam", "adamw", "sgd", "rmsprop"), "Chintala et al. 2016, tip 9: SGD for D, Adam for G"),
    "weight_decay": Range(_log(1e-4, 0.1), "Loshchilov & Hutter 2019 search 1e-5 to 1e-1; PyTorch's AdamW takes 1e-2"),
    "update": Range(
        _one_of("alternating", "simultaneous", "optimistic", "extragradient", "lookahead", "unrolled"),
        "Goodfellow et al. 2014; Nowozin et al. 2016; Daskalakis et al. 2018; Gidel et al. 2019; Chavdarova et al. 2021; Metz et al. 2017",
    ),
    "lookahead.k": Range(_whole(3, 300), "Chavdarova et al. 2021 use 5 for small images, up to 10,000 for ImageNet and its long runs"),
    "lookahead.alpha": Range(_uniform(0.2, 0.8), "Zhang et al. 2019 search .2 to .8; Chavdarova et al. 2021 use .5"),
    "unrolled.steps": Range(_one_of(1, 5, 10), "Metz et al. 2017, table 1; Lin et al. 2018, table 3"),
    "g.condition": Range(_one_of("concat", "batchnorm"), "Mirza & Osindero 2014; Dumoulin et al. 2017 and Miyato & Koyama 2018"),
    "g.embedding": Range(_whole(8, 256), "Brock et al. 2019 share one of 128; one-hot is Mirza & Osindero 2014's"),
    "d.condition": Range(
        _one_of("concat", "auxiliary", "projection"), "Mirza & Osindero 2014; Odena et al. 2017; Miyato & Koyama 2018 compare the three"
    ),
    "d.class_weight": Range(_log(0.1, 10.0), "Odena et al. 2017: 1, a decade around it"),
    "beta1": Range(
        _uniform(0.0, 0.9), "Lucic et al. 2018 search [0, 1]; Kurach et al. 2019 try .5 and .9; we know of no GAN trained above .9"
    ),
    "beta2": Range(_one_of(0.9, 0.99, 0.999), "Gulrajani et al. 2017; Huang et al. 2024; Radford et al. 2016"),
    "batch_size": Range(_whole(32, 512), "Lucic et al. 2018 use 64; Brock et al. 2019 use far larger ones"),
    "d_steps": Range(_one_of(1, 2, 5), "Lucic et al. 2018 and Kurach et al. 2019: 1 or 5"),
    "g_steps": Range(_one_of(1, 2), "Srivastava et al. 2017 and Lin et al. 2018 take 2 on stacked MNIST"),
    "latent.dim": Range(_whole(8, 512), "Radford et al. 2016 use 100; Karras et al. 2018 use 512"),
    "latent.distribution": Range(
        _one_of("normal", "uniform", "sphere", "truncated"), "Goodfellow 2016; Radford et al. 2016; Karras et al. 2018; Brock et al. 2019"
    ),
    "latent.truncation": Range(_log(0.04, 2.0), "Brock et al. 2019, figure 2: thresholds from .04 to 2"),
    "g.width": Range(_whole(16, 256), "a quarter to four times the 64 of Radford et al. 2016"),
    "d.width": Range(_whole(16, 256), "a quarter to four times the 64 of Radford et al. 2016"),
    "g.depth": Range(IntDistribution(1, 4), "Lin et al. 2018 use 4 on points; Metz et al. 2017 use 2"),
    "d.depth": Range(IntDistribution(1, 4), "Lin et al. 2018 use 3 on points; Metz et al. 2017 use 2"),
    "g.activation": Range(_one_of("relu", "leaky_relu", "selu", "elu", "gelu", "silu"), "Radford et al. 2016; Huang et al. 2024, ablation"),
    "d.activation": Range(_one_of("relu", "leaky_relu", "selu", "elu", "gelu", "silu"), "Radford et al. 2016; Huang et al. 2024, ablation"),
    "g.norm": Range(_one_of("none", "batch", "layer", "group"), "Radford et al. 2016; Kurach et al. 2019; Wu & He 2018"),
    "d.norm": Range(_one_of("none", "batch", "layer", "group"), "Kurach et al. 2019; Wu & He 2018"),
    "g.slope": Range(_log(0.01, 0.3), _SLOPE),
    "d.slope": Range(_log(0.01, 0.3), _SLOPE),
    "g.kernel": Range(_one_of(3, 4, 5), _KERNEL),
    "d.kernel": Range(_one_of(3, 4, 5), _KERNEL),
    "g.dropout": Range(
        _uniform(0.0, 0.5),
        "Chintala et al. 2016, tip 17, and Isola et al. 2017: .5 in G, also while sampling; here dropout is off while sampling",
    ),
    "d.dropout": Range(_uniform(0.0, 0.5), "Goodfellow et al. 2014, section 5; Salimans et al. 2016: .5 in D; tutorials take .25 to .4"),
    "g.init": Range(_one_of("normal", "xavier", "kaiming", "orthogonal"), _INIT),
    "d.init": Range(_one_of("normal", "xavier", "kaiming", "orthogonal"), _INIT),
    "g.gain": Range(_log(0.5, 2.0), _GAIN),
    "d.gain": Range(_log(0.5, 2.0), _GAIN),
    "g.head": Range(_one_of("conv", "dense"), _HEAD),
    "d.head": Range(_one_of("conv", "dense"), _HEAD),
    "g.upsampling": Range(
        _one_of("transposed", "nearest", "bilinear", "pixel_shuffle"),
        "Radford et al. 2016; Odena et al. 2016; Karras et al. 2019; Shi et al. 2016",
    ),
    "g.output": Range(
        _one_of("tanh", "sigmoid", "linear"), "Radford et al. 2016; Lucic et al. 2018; Karras et al. 2018 and Huang et al. 2024"
    ),
    "d.downsampling": Range(
        _one_of("strided", "average", "max"), "Radford et al. 2016; Miyato et al. 2018; Chintala et al. 2016, tip 5, warn of max"
    ),
    "instance_noise.std": Range(_log(0.01, 1.0), "Sonderby et al. 2017 start near .1; Mescheder et al. 2018 study more"),
    "instance_noise.until": Range(_uniform(0.25, 1.0), "Sonderby et al. 2017 anneal over the whole training"),
    "instance_noise.shape": Range(_one_of("linear", "constant", "cosine"), "Sonderby et al. 2017: linear; Mescheder et al. 2018: constant"),
    "diffaugment.policy": Range(
        _one_of("translation", "translation,cutout", "colour,translation", "colour,cutout", "colour,translation,cutout"),
        "Zhao et al. 2020 compare these three and their combinations",
    ),
    "ada.target": Range(_uniform(0.4, 0.8), "Karras et al. 2020 (ADA): .6"),
    "ada.speed_kimg": Range(_log(50.0, 1000.0), "Karras et al. 2020 (ADA): 500; its code 100 for transfer"),
    "ada.policy": Range(
        _one_of("flip,translation", "translation,colour", "flip,translation,colour", "flip,translation,colour,cutout"),
        "Karras et al. 2020 (ADA): flips and geometry help most, then colour",
    ),
    "consistency.real": Range(_log(0.1, 100.0), "Zhang et al. 2020: 10, two decades below and one above"),
    "consistency.fake": Range(_uniform(0.0, 10.0), "Zhang et al. 2020: 0; Zhao et al. 2021: 10"),
    "consistency.policy": Range(
        _one_of("flip", "translation", "flip,translation", "cutout"), "Zhang et al. 2020 compare these: flips and shifts together are best"
    ),
    "packing.samples": Range(_one_of(2, 3, 4), "Lin et al. 2018, table 1"),
    "label_flipping.share": Range(_log(0.01, 0.3), "Chintala et al. 2016 flip occasionally; courses take .05 to .1"),
    "label_smoothing.real": Range(_uniform(0.7, 1.0), "Salimans et al. 2016 use .9; courses go down to .7"),
    "label_smoothing.fake": Range(_uniform(0.0, 0.3), "Salimans et al. 2016 keep 0 and warn of more; courses go up to .3"),
    "weight_clipping.limit": Range(_log(1e-3, 1.0), "Lucic et al. 2018, wide range; Arjovsky et al. 2017 use .01"),
    "weight_penalty.weight": Range(_log(1e-5, 1.0), "Kurach et al. 2019, L2: 1e-4 to 10 for the mean over about 10 layers"),
    "orthogonal_regularisation.weight": Range(_log(1e-5, 1e-2), "Brock et al. 2019 sweep 1e-5 to 1e-2 and take 1e-4"),
    "orthogonal_regularisation.net": Range(_one_of("d", "g", "both"), "Brock et al. 2019 use it on G"),
    "gradient_penalty.where": Range(
        _one_of("line", "around", "real", "fake", "both"),
        "Gulrajani et al. 2017; Kodali et al. 2017; Mescheder et al. 2018; Huang et al. 2024",
    ),
    "gradient_penalty.to": Range(_one_of("one", "at_most_one", "zero"), "Gulrajani et al. 2017; Petzka et al. 2018; Mescheder et al. 2018"),
    "gradient_penalty.weight": Range(_log(1e-1, 1e2), "Lucic et al. 2018 and Kurach et al. 2019; Gulrajani et al. 2017 use 10"),
    "r1.gamma": Range(_log(1e-2, 1e2), "Mescheder et al. 2018 use 10; Huang et al. 2024 use .05 to 150, depending on the data set"),
    "r2.gamma": Range(_log(1e-2, 1e2), "Mescheder et al. 2018 use 10; Huang et al. 2024 use .05 to 150, depending on the data set"),
    "wgan_gp.weight": Range(_log(1e-1, 1e2), "Lucic et al. 2018 and Kurach et al. 2019; Gulrajani et al. 2017 use 10"),
    "dragan.weight": Range(_log(1e-1, 1e2), "Lucic et al. 2018; Kodali et al. 2017 use 10"),
    "minibatch_discrimination.kernels": Range(_whole(5, 200), "Salimans et al. 2016: 100 in their code; tutorials take 5 on points"),
    "minibatch_discrimination.dims": Range(_whole(3, 50), "Salimans et al. 2016: 5 in their code; others up to 50"),
    "top_k.least": Range(_one_of(0.5, 0.75, 0.9), "Sinha et al. 2020, section 3; public implementations take .5"),
    "top_k.decay": Range(_one_of(0.9, 0.99, 0.999), "Sinha et al. 2020, section 3: .99, as in public implementations"),
    "feature_matching.weight": Range(_log(0.01, 10.0), "Salimans et al. 2016: 1, a decade or two around it"),
    "feature_matching.adversarial": Range(_uniform(0.0, 1.0), "Salimans et al. 2016: 0; at 1 both objectives are used"),
    "mode_seeking.weight": Range(_log(0.01, 10.0), "Mao et al. 2019: 1, two decades below and one above"),
    "historical_averaging.weight": Range(_log(1e-4, 10.0), "Salimans et al. 2016: 1; smaller values as for weight_penalty"),
    "experience_replay.share": Range(_uniform(0.1, 0.9), "Shrivastava et al. 2017: .5"),
    "experience_replay.images": Range(
        _whole(512, 16384), "Zhu et al. 2017 keep 50; Shrivastava et al. 2017 do not state theirs; here 8 to 256 batches of 64"
    ),
    "lecam.weight": Range(
        _log(1e-3, 1.0), "Tseng et al. 2021, code: .3 for BigGAN on CIFAR, 3e-7 for StyleGAN2 on FFHQ; two decades below the first"
    ),
    "lecam.decay": Range(_one_of(0.9, 0.99, 0.999), "Tseng et al. 2021, code: .99"),
    "gradient_clipping.norm": Range(_log(0.01, 10.0), "Pascanu et al. 2013: half to ten times the usual norm; 1 in most code"),
    "lr_schedule.shape": Range(_one_of("constant", "linear", "cosine"), "Gulrajani et al. 2017; Huang et al. 2024"),
    "lr_schedule.warmup": Range(_uniform(0.0, 0.1), "Goyal et al. 2017 take 5 of 90 epochs"),
    "lr_schedule.start": Range(_uniform(0.0, 0.9), "Gulrajani et al. 2017: from the start; Zhu et al. 2017: from halfway"),
    "lr_schedule.end": Range(_uniform(0.0, 1.0), "Gulrajani et al. 2017: 0; Huang et al. 2024 stop at a quarter"),
    "ema.rampup": Range(_log(0.01, 1.0), "Karras et al. 2020 (ADA): .05"),
    "swa.share": Range(_uniform(0.05, 0.9), "Izmailov et al. 2018: a quarter; Yazici et al. 2019: nearly all"),
    "ema.halflife_kimg": Range(_log(0.1, 100.0), "Karras et al. 2020 use 10 to 20; Huang et al. 2024 up to 500"),
}

RANGES |= {
    f"{penalty}.{setting}": line
    for penalty in ("gradient_penalty", "r1", "r2", "wgan_gp", "dragan", "weight_penalty", "orthogonal_regularisation")
    for setting, line in {
        "warmup": Range(_uniform(0.0, 0.1), _WARMING),
        "end": Range(_uniform(0.0, 1.0), _FADING),
        "until": Range(_uniform(0.1, 1.0), _FADING),
        "shape": Range(_one_of("cosine", "linear", "constant"), _FADING),
    }.items()
}
RANGES |= {f"{penalty}.interval": Range(_one_of(1, 4, 16), _LAZY) for penalty in ("gradient_penalty", "r1", "r2", "wgan_gp", "dragan")}


@dataclass(frozen=True)
class NoRange:
    """Why `range` is not available for a setting. never_varies: no study may vary the setting."""

    reason: str
    never_varies: bool = False


_OTHER_DATA = NoRange("it changes the data set, and metrics on different data cannot be compared; make two studies", never_varies=True)

# Each setting is in RANGES or in NO_RANGE.
NO_RANGE: dict[str, NoRange] = {
    "seed": NoRange("each trial gets its own seed; `seeds` is the number of trials of each config", never_varies=True),
    "budget_kimg": NoRange("trials of different lengths cannot be compared", never_varies=True),
    "tick_kimg": NoRange("it only sets how often a trial is measured", never_varies=True),
    "precision": NoRange("a coarser format is faster and never better; to see what it costs, give a list"),
    "loop": NoRange("there is one built-in training loop; to compare it with a plugin's loop, give a list"),
    "data": NoRange("metrics on different data cannot be compared; make two studies", never_varies=True),
    "data.size": NoRange("sensible values depend on the data; for a learning curve give {low: …, high: …, log: true}"),
    **{f"data.{name}": _OTHER_DATA for name in DataConfig.model_fields if name not in ("name", "size", "root", "download")},
    "data.root": NoRange("it only names the folder of the files", never_varies=True),
    "data.download": NoRange("it only allows a download of the files", never_varies=True),
}
NEVER_VARIES: dict[str, str] = {name: entry.reason for name, entry in NO_RANGE.items() if entry.never_varies}
