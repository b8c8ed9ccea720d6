"""Runs studies on Ray, and single trials without Ray."""
