"""Every sampler, by the name that specs use."""

from collections.abc import Callable
from typing import TypeVar

from treesim.errors import SpecError
from treesim.samplers.backtracking import Backtracking, RandomSuffix, spectral_gap, stationary_law
from treesim.samplers.base import Cost, Draws, Sampler
from treesim.samplers.beam import BeamSearch
from treesim.samplers.exact_guided import ExactGuided
from treesim.samplers.guided import GuidedSMC
from treesim.samplers.one_of_n import Base, BestOfN, Importance, Rejection, SoftBestOfN
from treesim.samplers.particle_gibbs import ParticleGibbs
from treesim.samplers.smc import SMC
from treesim.samplers.user import UserSampler, adapter, from_entry_points
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
        ExactGuided,
        SMC,
        ParticleGibbs,
        Backtracking,
        RandomSuffix,
    )
}


Kind = TypeVar("Kind", bound=type)


def register_sampler(name: str) -> Callable[[Kind], Kind]:
    """Make a user's class known under a name: it then works in specs, in `treesim tv`, `sample` and everywhere else.

    The class has one method, ``simulate(oracle, rng)``, which returns a complete prefix of the oracle's, or None; its
    parameters are the fields of a dataclass, of type int, float or str. An installed package can offer samplers by the
    entry point group ``treesim.samplers`` instead.

    Registered again, a name stands for the newer class.

    Raises
    ------
    SpecError
        If the name is a built-in sampler's, or the class is not of this form.

    Examples
    --------
    >>> @register_sampler("greedy-doc")
    ... class Greedy:
    ...     def simulate(self, oracle, rng):
    ...         prefix = oracle.root
    ...         while prefix.level < oracle.horizon:
    ...             prefix = max((child for child, _ in oracle.children(prefix)), key=oracle.value)
    ...         return prefix
    >>> from treesim import family
    >>> sampler("greedy-doc").simulate(family("product", horizon=3, ratio=2.0), 2, seed=0).leaf
    array([7, 7])
    >>> _ = SAMPLERS.pop("greedy-doc")  # forgotten again
    """

    def add(kind: Kind) -> Kind:
        if name in SAMPLERS and not issubclass(SAMPLERS[name], UserSampler):
            raise SpecError(f"there is a built-in sampler named {name!r}; choose another name")
        SAMPLERS[name] = adapter(name, kind)
        return kind

    return add


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
    name = spec.partition(":")[0].strip()
    return parse(spec, {**SAMPLERS, name: sampler_class(name)}, "sampler")


def sampler_class(name: str) -> type[Sampler]:
    """The class of a name, built in, registered, or offered by an installed package.

    Raises
    ------
    SpecError
        If there is none.

    Examples
    --------
    >>> sampler_class("sp-gsmc").__name__
    'GuidedSMC'
    """
    if name not in SAMPLERS:
        offered = from_entry_points()
        if name not in offered:
            raise SpecError(f"unknown sampler {name!r}, expected one of: {', '.join(SAMPLERS)}")
        register_sampler(name)(offered[name]())
    return SAMPLERS[name]


__all__ = [
    "SAMPLERS",
    "SMC",
    "Backtracking",
    "Base",
    "BeamSearch",
    "BestOfN",
    "Cost",
    "Draws",
    "ExactGuided",
    "GuidedSMC",
    "Importance",
    "ParticleGibbs",
    "RandomSuffix",
    "Rejection",
    "Sampler",
    "SoftBestOfN",
    "UserSampler",
    "register_sampler",
    "sampler",
    "sampler_class",
    "spectral_gap",
    "stationary_law",
]
