"""Networks of torch-fidelity with random weights, so that nothing is downloaded."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from analysis.metrics import frechet_distance
from analysis.metrics.pretrained import Pretrained, pretrained_names
from ganstudy import UserError


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random weights with the shapes of Inception, in the format of torch-fidelity's file."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        torch.save(FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).state_dict(), path)
    return str(path)


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty torch cache and no network access."""

    def unreachable(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


def images(n: int, *, channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(n, channels, 28, 28), dtype=np.uint8)


@pytest.mark.slow  # torch-fidelity takes the square root of a 2,048 x 2,048 matrix
def test_the_distance_in_inception_is_the_fid_of_torch_fidelity(weights: str) -> None:
    x, y = images(12, channels=3, seed=0), images(12, channels=3, seed=1) // 2
    net = Pretrained("inception", weights=weights)
    assert net.features(x).shape == (12, 2048)
    theirs = calculate_metrics(
        input1=Listed(x),
        input2=Listed(y),
        fid=True,
        cuda=False,
        cache=False,
        verbose=False,
        save_cpu_ram=True,  # avoids worker processes for a dozen images
        feature_extractor_weights_path=weights,
    )
    assert frechet_distance(net.features(x), net.features(y)) == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)


class Listed(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, x: np.ndarray):
        self.x = torch.from_numpy(x)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.x[i]


def test_grey_images_are_repeated_to_three_channels(weights: str) -> None:
    grey = images(3, channels=1, seed=0)
    net = Pretrained("inception", weights=weights)
    assert net.features(grey) == pytest.approx(net.features(np.repeat(grey, 3, axis=1)), abs=1e-6)


def test_all_names_of_torch_fidelity_are_available() -> None:
    assert {"inception", "vgg16", "dinov2-vit-s-14", "clip-vit-b-32"} <= set(pretrained_names())
    assert "inception-v3-compat" not in pretrained_names()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["inception", "vgg16", "dinov2-vit-s-14", "clip-vit-b-32"])
def test_the_error_for_missing_weights_names_the_places_searched(name: str, no_network: None, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=f"the features '{name}' need their weights.*{tmp_path}.*or from the network.*(Name or service not known|no internet connection)",
    ):
        Pretrained(name)


def test_a_file_that_contains_code_is_rejected(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
            return (print, ("run",))

    torch.save({"fc.weight": Code()}, tmp_path / "evil.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for path in (tmp_path / "evil.pth", tmp_path / "text.pth", tmp_path / "none.pth"):
        with pytest.raises(UserError, match=f"weights must be a file that torch.load.*{path}"):
            Pretrained("inception", weights=str(path))


def test_a_file_for_a_network_that_reads_none_is_rejected() -> None:
    with pytest.raises(UserError, match="weights are read from a file only for inception and vgg16; given for 'dinov2-vit-s-14'"):
        Pretrained("dinov2-vit-s-14", weights="w.pth")


def test_weights_of_another_network_are_rejected(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"need their weights.*the file .*other.pth failed.*Missing key"):
        Pretrained("inception", weights=str(tmp_path / "other.pth"))
