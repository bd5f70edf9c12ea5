from .exactness import Difference, ExactVerdict
from .goodness_of_fit import MISSED, Surprise, Verdict, check_sampler, goodness_of_fit, leaves

__all__ = [
    "MISSED",
    "Difference",
    "ExactVerdict",
    "Surprise",
    "Verdict",
    "check_sampler",
    "goodness_of_fit",
    "leaves",
]
