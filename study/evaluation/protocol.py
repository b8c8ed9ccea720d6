"""What a number was measured with."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

HEADLINE = ("fd", "coverage", "modes", "mode_spread", "memorisation", "class_agreement")  # of the metrics, where one line has to do


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """What a number was measured with. Numbers of different evaluation protocols are never compared, ranked or resumed together."""

    data: str
    split: str  # fingerprint of the data's split
    features: str  # name of the extractor
    weights: str  # hash of its weights
    classifier: str | None = None  # hash of the weights that tell the classes; None where they are not known, or by place
    n_real: int  # held-out samples; neighbours are sought among n_fake of them at most
    n_fake: int
    k: int  # neighbours

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def hash(self) -> str:
        """10 hex digits."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:10]

    def axis(self, metric: str) -> str:
        """The metric's full name, which says what it is without its study: "fd" -> "fd_classifier_2k"; in Inception's features "fid_2k"."""
        n = f"{self.n_fake // 1000}k" if self.n_fake % 1000 == 0 else str(self.n_fake)
        return f"fid_{n}" if (metric, self.features) == ("fd", "inception") else f"{metric}_{self.features}_{n}"
