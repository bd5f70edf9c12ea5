"""The libraries that there are adapters for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import version

from treesim.errors import SpecError
from treesim.samplers import Sampler
from treesim.samplers.user import UserSampler, adapter
from treesim.spec import parse


@dataclass(frozen=True)
class Library:
    """A library that the tree can pose for.

    Attributes
    ----------
    name : str
        As on the package index; also the extra that installs it with treesim.
    module : str
        Of its adapter.
    says : str
        Which law its documentation or interface leads one to expect of its samplers.
    install : str
        How to get it.
    """

    name: str
    module: str
    says: str
    install: str

    @cached_property
    def algorithms(self) -> dict[str, type[UserSampler]]:
        """Its samplers by name, the first of them the default.

        Raises
        ------
        SpecError
            If the library is not installed.
        """
        try:
            algorithms = import_module(self.module).ALGORITHMS
        except ImportError as error:
            raise SpecError(f"{self.name} cannot be imported ({error}); install it: {self.install}") from None
        return {name: adapter(name, kind) for name, kind in algorithms.items()}

    @property
    def version(self) -> str:
        """The installed version."""
        return version(self.name)

    def sampler(self, spec: str | None = None) -> Sampler:
        """The sampler of a spec such as ``particle-filtering:particles=16``; without one the default."""
        return parse(
            next(iter(self.algorithms)) if spec is None else spec, self.algorithms, f"algorithm of {self.name}"
        )


LIBRARIES = {
    library.name: library
    for library in (
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
    )
}


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
