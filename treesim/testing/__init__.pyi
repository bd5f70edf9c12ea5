from .goodness_of_fit import MISSED, Surprise, Verdict, check_sampler, goodness_of_fit, leaves

__all__ = ["MISSED", "Surprise", "Verdict", "check_sampler", "goodness_of_fit", "leaves"]
