"""Constructions that defeat samplers, each with what it proves."""

from hard_instances.sharpest_guidance import sharpest_guidance

__all__ = ["sharpest_guidance"]
