"""EvaluationProtocol: identifies how metrics were computed."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

HEADLINE = ("fd", "coverage", "modes", "mode_spread", "memorisation", "class_agreement")  # metrics to show if there is room for one line


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """Everything that makes two metric values comparable. Values of different protocols are never compared or ranked together."""

    data: str
    split: str  # fingerprint of the data's split
    features: str  # name of the extractor
    weights: str  # hash of its weights
    classifier: str | None = None  # hash of the classifier's weights; None without classes, or if classes follow from position
    n_real: int  # held-out samples; neighbours are searched among at most n_fake of them
    n_fake: int
    k: int  # nearest neighbours of precision, recall, density and coverage

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def hash(self) -> str:
        """The first 10 hex digits of a SHA-256 hash of all fields."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:10]

    def axis(self, metric: str) -> str:
        """Full name of a metric with features and sample count: "fd" -> "fd_classifier_2k", or "fid_2k" with Inception features."""
        n = f"{self.n_fake // 1000}k" if self.n_fake % 1000 == 0 else str(self.n_fake)
        return f"fid_{n}" if (metric, self.features) == ("fd", "inception") else f"{metric}_{self.features}_{n}"
