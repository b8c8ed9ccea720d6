"""The joint model behind every claim: all settings and all outcomes of a study at once, with one error rate for everything that is said."""

from analysis.model.joint import Comparison, JointModel, joint_model
from analysis.model.outcomes import Response, responses
from analysis.model.units import Units, units_of

__all__ = ["Comparison", "JointModel", "Response", "Units", "joint_model", "responses", "units_of"]
