"""Learned values: losses, features, and the paths to learn from."""

from treesim.learning.features import FEATURES, Features, features_of, register_feature
from treesim.learning.fit import Learned, learn
from treesim.learning.losses import LOSSES, Loss
from treesim.learning.visits import Visits, exact_visits, sampled_visits

__all__ = [
    "FEATURES",
    "LOSSES",
    "Features",
    "Learned",
    "Loss",
    "Visits",
    "exact_visits",
    "features_of",
    "learn",
    "register_feature",
    "sampled_visits",
]
