"""The libraries that there are adapters for: those in this folder, and those that packages offer or users register."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from treesim.errors import SpecError
from treesim.registry import Registry
from treesim.samplers import Sampler
from treesim.samplers.user import UserSampler, adapter
from treesim.spec import parse


@dataclass(frozen=True)
class Library:
    """A library that the tree can pose for.

    Attributes
    ----------
    name : str
        As on the package index; for those with an adapter here also the extra that installs it with treesim.
    module : str
        Of its adapter, imported when it is first needed. It has ``ALGORITHMS``, a dictionary of classes as
        `treesim.register_sampler` takes them, the default first.
    says : str
        Which law its documentation or interface leads one to expect of its samplers.
    install : str
        How to get it.
    given : mapping of str to class, or None
        The algorithms, where they are at hand already.

    Examples
    --------
    >>> library("its-hub").module, library("its-hub").install
    ('treesim.adapters.its_hub', "pip install 'treesim[its-hub]'")
    """

    name: str
    module: str
    says: str
    install: str
    given: Mapping[str, type] | None = None

    @cached_property
    def algorithms(self) -> dict[str, type[UserSampler]]:
        """Its samplers by name, the first of them the default.

        Raises
        ------
        SpecError
            If the library is not installed, or has no algorithms.
        """
        try:
            algorithms = self.given if self.given is not None else import_module(self.module).ALGORITHMS
        except ImportError as error:
            raise SpecError(f"{self.name} cannot be imported ({error}); install it: {self.install}") from None
        if not isinstance(algorithms, Mapping) or not algorithms:
            raise SpecError(f"the algorithms of {self.name} are {reprlib.repr(algorithms)}, expected classes by name")
        return {name: adapter(name, kind) for name, kind in algorithms.items()}

    @property
    def version(self) -> str:
        """The installed version; empty if nobody says which it is."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return ""

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".strip()

    def sampler(self, spec: str | None = None) -> Sampler:
        """The sampler of a spec such as ``particle-filtering:particles=16``; without one the default."""
        return parse(
            next(iter(self.algorithms)) if spec is None else spec, self.algorithms, f"algorithm of {self.name}"
        )


UNSAID = "nothing about the law it draws from"


def _offered(name: str, thing: Any) -> Library:
    """What an installed package offers: a `Library`, or the module of an adapter."""
    if isinstance(thing, Library):
        return thing
    algorithms = getattr(thing, "ALGORITHMS", None)
    if algorithms is None:
        raise SpecError(f"{reprlib.repr(thing)} has no ALGORITHMS, expected a dictionary of classes by name")
    return Library(name, thing.__name__, getattr(thing, "SAYS", UNSAID), f"pip install {name}", algorithms)


LIBRARIES: Registry[Library] = Registry("treesim.libraries", _offered)
for _library in (
    Library(
        "its-hub",
        "treesim.adapters.its_hub",
        "the score of a prefix is its quality in [0, 1], and a particle weighs the odds of its current score",
        "pip install 'treesim[its-hub]'",
    ),
    Library(
        "particles",
        "treesim.adapters.particles",
        "the Feynman-Kac law of the model, here pi_ref V_T / Z",
        "pip install 'treesim[particles]'",
    ),
    Library(
        "genlm-control",
        "treesim.adapters.genlm",
        "the product of the potentials, here pi_ref V_T / Z",
        "pip install 'treesim[genlm-control]' (it brings PyTorch)",
    ),
    Library(
        "llamppl",
        "treesim.adapters.llamppl",
        "the law that the model's scores define, here pi_ref V_T / Z",
        "pip install 'treesim[llamppl]' (it brings PyTorch)",
    ),
):
    LIBRARIES[_library.name] = _library


def register_library(name: str, algorithms: Mapping[str, type], says: str = UNSAID) -> Library:
    """Make a library known under a name, so that ``treesim audit NAME`` and `library` know it.

    A package does the same for all its users by an entry point of the group ``treesim.libraries``: a module with
    ``ALGORITHMS``, and ``SAYS`` if it likes.

    Parameters
    ----------
    name : str
    algorithms : mapping of str to class
        Classes as `treesim.register_sampler` takes them, by name, the default first: ``simulate(oracle, rng)`` hands
        the oracle to the library in the form that it asks for, and returns the prefix that comes out.
    says : str
        Which law the library claims.

    Raises
    ------
    SpecError
        If a class is not of this form.

    Examples
    --------
    >>> class Walk:
    ...     def simulate(self, oracle, rng):
    ...         prefix = oracle.root
    ...         while prefix.level < oracle.horizon:
    ...             prefix = oracle.draw(prefix)
    ...         return prefix
    >>> register_library("walks-doc", {"walk": Walk}, "it draws from pi_ref").title
    'walks-doc'
    >>> from treesim import family
    >>> library("walks-doc").sampler().simulate(family("uniform", horizon=2), 3, seed=0).leaf
    array([0, 2, 2])
    >>> _ = LIBRARIES.pop("walks-doc")  # forgotten again
    """
    made = Library(name, "", says, f"pip install {name}", dict(algorithms))
    _ = made.algorithms
    LIBRARIES[name] = made
    return made


def library(name: str) -> Library:
    """The library of a name.

    Raises
    ------
    SpecError
        If there is no adapter for it.

    Examples
    --------
    >>> library("its-hub").module
    'treesim.adapters.its_hub'
    """
    if name not in LIBRARIES:
        raise SpecError(f"there is no adapter for {name!r}, expected one of: {', '.join(LIBRARIES)}")
    return LIBRARIES[name]
