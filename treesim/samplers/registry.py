"""Every sampler, by the name that specs use."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from treesim.errors import SpecError
from treesim.registry import Registry
from treesim.samplers.backtracking import Backtracking
from treesim.samplers.base import Sampler
from treesim.samplers.beam import BeamSearch
from treesim.samplers.exact_guided import ExactGuided
from treesim.samplers.guided import GuidedSMC
from treesim.samplers.one_of_n import Base, BestOfN, Importance, Race, SoftBestOfN
from treesim.samplers.oracle import Oracle, Prefix
from treesim.samplers.particle_gibbs import ParticleGibbs
from treesim.samplers.random_suffix import RandomSuffix
from treesim.samplers.rejection import Rejection
from treesim.samplers.smc import SMC
from treesim.samplers.user import OracleSampler, UserSampler, adapter, wrapped
from treesim.spec import parse, spell

SamplerLike = str | Sampler | type | OracleSampler | Callable[[Oracle, np.random.Generator], Prefix | None]

SAMPLERS: Registry[type[Sampler]] = Registry("treesim.samplers", adapter)
for _kind in (
    Base,
    BestOfN,
    SoftBestOfN,
    Importance,
    Race,
    Rejection,
    BeamSearch,
    GuidedSMC,
    ExactGuided,
    SMC,
    ParticleGibbs,
    Backtracking,
    RandomSuffix,
):
    SAMPLERS[_kind.name] = _kind

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


def offer(name: str, kind: type) -> None:
    """Register a class: what files of samplers are run for."""
    register_sampler(name)(kind)


def sampler(spec: SamplerLike) -> Sampler:
    """The sampler of a spec such as ``importance:n=16``, or of a class, object or function of yours.

    Parameters
    ----------
    spec : str, Sampler, class, object or callable
        A class or object has a method ``simulate(oracle, rng)``, as for `register_sampler`, and a function is one; of a
        class an object with its defaults is made. A sampler is itself.

    Raises
    ------
    SpecError
        If the spec names an unknown sampler or parameter, a value is out of range, or it is nothing of this kind.

    Examples
    --------
    >>> sampler("sp-gsmc:pool=8")
    GuidedSMC(pool=8, mh=1, reject=1, chebyshev=1, bound=0.0, select='weight')
    >>> def first(oracle, rng):
    ...     prefix = oracle.root
    ...     while prefix.level < oracle.horizon:
    ...         prefix = oracle.children(prefix)[0][0]
    ...     return prefix
    >>> from treesim import family
    >>> sampler(first).simulate(family("product", horizon=3, ratio=2.0), 2, seed=0).leaf
    array([0, 0])
    """
    if isinstance(spec, str):
        return parse(spec, SAMPLERS, "sampler")
    if isinstance(spec, Sampler):
        return spec
    if isinstance(spec, type):
        kind = spec if issubclass(spec, Sampler) else adapter(spec.__name__, spec)
        return parse(spec.__name__, {spec.__name__: kind}, "sampler")
    return wrapped(spec)


def labels(specs: Iterable[str]) -> list[str]:
    """Specs as rows and legends show them: with the defaults of those parameters by which samplers of a name differ.

    Specs of samplers that are not known here stay as they are.

    Examples
    --------
    >>> labels(["base", "smc:particles=8", "smc:particles=8,resampling=systematic"])
    ['base', 'smc:particles=8,resampling=multinomial', 'smc:particles=8,resampling=systematic']
    """
    texts = list(specs)
    known: dict[str, Sampler] = {}
    for text in texts:
        with contextlib.suppress(SpecError):
            known[text] = sampler(text)
    settings: dict[tuple[str, str], set[object]] = {}
    for each in known.values():
        for field in dataclasses.fields(each):  # type: ignore[arg-type]
            settings.setdefault((each.name, field.name), set()).add(getattr(each, field.name))
    differ = {place for place, values in settings.items() if len(values) > 1}
    return [
        spell(known[text], [field for name, field in differ if name == known[text].name]) if text in known else text
        for text in texts
    ]
