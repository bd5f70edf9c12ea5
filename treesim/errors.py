"""What can go wrong, as exceptions: one sentence each, for the person who reads it."""


class TreesimError(Exception):
    """Base of every error that treesim raises on purpose."""


class TreeError(TreesimError):
    """A tree, or the graph it should come from, breaks an invariant."""


class MemoryBudgetError(TreesimError):
    """What was asked for does not fit in the memory budget; nothing was allocated."""


class RewardError(TreesimError):
    """A reward is not a number, is infinite, or is zero everywhere."""


class PerturbationError(TreesimError):
    """A perturbation's parameters are out of range or cannot all be met."""


class ConstraintError(TreesimError):
    """A constraint on texts is malformed, too large, or one that no text meets."""


class SpecError(TreesimError):
    """A spec such as ``importance:n=16`` names something unknown or impossible."""


class InstanceFileError(TreesimError):
    """An instance file is damaged, foreign, edited, or of a newer format."""


class OracleError(TreesimError):
    """A sampler asked the oracle what it may not, or returned what it never reached."""


class NoExactLaw(TreesimError):
    """The sampler's exact law is out of reach here; the message says what would do instead."""
