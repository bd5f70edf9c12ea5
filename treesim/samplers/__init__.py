"""Every sampler, by the name that specs use."""

from treesim.samplers.base import Cost, Draws, Sampler
from treesim.samplers.beam import BeamSearch
from treesim.samplers.chains import Backtracking, RandomSuffix, spectral_gap, stationary_law
from treesim.samplers.guided import GuidedSMC
from treesim.samplers.selection import Base, BestOfN, Importance, Rejection, SoftBestOfN
from treesim.samplers.smc import SMC
from treesim.spec import parse

SAMPLERS: dict[str, type[Sampler]] = {
    kind.name: kind
    for kind in (
        Base,
        BestOfN,
        SoftBestOfN,
        Importance,
        Rejection,
        BeamSearch,
        GuidedSMC,
        SMC,
        Backtracking,
        RandomSuffix,
    )
}


def sampler(spec: str) -> Sampler:
    """The sampler of a spec such as ``importance:n=16``.

    Raises
    ------
    SpecError
        If the spec names an unknown sampler or parameter, or a value is out of range.

    Examples
    --------
    >>> sampler("sp-gsmc:pool=8")
    GuidedSMC(pool=8, mh=1, reject=1)
    """
    return parse(spec, SAMPLERS, "sampler")


__all__ = [
    "SAMPLERS",
    "SMC",
    "Backtracking",
    "Base",
    "BeamSearch",
    "BestOfN",
    "Cost",
    "Draws",
    "GuidedSMC",
    "Importance",
    "RandomSuffix",
    "Rejection",
    "Sampler",
    "SoftBestOfN",
    "sampler",
    "spectral_gap",
    "stationary_law",
]
