"""Replays of policies on recorded runs: what a policy would have found on them, and at what cost."""
