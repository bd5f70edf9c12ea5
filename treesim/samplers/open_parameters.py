"""Parameters that are open: what a sampler may still be told, and the sampler with a value of one."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from treesim.errors import SpecError, TreesimError
from treesim.runtime.user_code import reason
from treesim.samplers.base import Sampler
from treesim.samplers.registry import SAMPLERS, SamplerLike, sampler
from treesim.samplers.user import UserSampler, adapter, unwrapped
from treesim.spec import parse, require_kind


@dataclass(frozen=True)
class OpenSampler:
    """A sampler of which parameters may vary.

    Attributes
    ----------
    name : str
        What messages call it.
    text : str
        The same, with the parameters that it has.
    types : mapping of str to str
        Its parameters, and how each is annotated.
    needed : tuple of str
        Those that have no default.
    given : frozenset of str
        Those that a spec gives: they are not open.
    """

    name: str
    text: str
    types: Mapping[str, str]
    needed: tuple[str, ...]
    given: frozenset[str]
    _source: Any
    _kinds: Mapping[str, type[Sampler]] | None

    @property
    def open(self) -> list[str]:
        """The parameters that may vary."""
        return [key for key in self.types if key not in self.given]

    @property
    def author(self) -> Any:
        """What decides what it does: a class of treesim's, or a class or function of a user's."""
        if self._kinds is not None:
            kind = self._kinds[self.name]
            return kind.kind if issubclass(kind, UserSampler) else kind
        return type(self._source) if dataclasses.is_dataclass(self._source) else self._source

    def without(self, key: str) -> str:
        """The text of it, but for one parameter.

        Examples
        --------
        >>> from treesim.samplers import SMC
        >>> open_sampler(SMC(8, threshold=0.5)).without("particles"), open_sampler("smc:threshold=0.5").text
        ('smc:threshold=0.5', 'smc:threshold=0.5')
        """
        return self.text if self._kinds is not None else _told(self.name, self._source, self.types, key)

    def plain(self) -> Sampler:
        """The sampler as it is.

        Raises
        ------
        SpecError
            If a parameter must be given.
        """
        return sampler(self._source) if self._kinds is None else parse(self.text, self._kinds, "sampler")

    def having(self, key: str, value: Any) -> Sampler:
        """The sampler with a value of one parameter.

        Raises
        ------
        SpecError
            If the value is none for that parameter.
        """
        if self._kinds is not None:
            return parse(f"{self.text}{',' if ':' in self.text else ':'}{key}={value}", self._kinds, "sampler")
        require_kind(f"{key} of {self.name}", value, self.types[key])
        try:
            return sampler(dataclasses.replace(self._source, **{key: value}))
        except TreesimError:
            raise
        except Exception as error:
            raise SpecError(f"{self.name} cannot be made with {key}={value!r}: {reason(error)}") from error


def open_sampler(like: SamplerLike) -> OpenSampler:
    """What of a sampler may vary: all that a spec does not give, and every field of a class or of an object.

    Parameters
    ----------
    like : whatever `treesim.sampler` takes
        The values that an object has do not count: they are replaced. A function has no parameters.

    Raises
    ------
    SpecError
        If it is no sampler.

    Examples
    --------
    >>> from treesim.samplers import Importance
    >>> open_sampler("smc:particles=8").open
    ['resampling', 'threshold', 'proposal', 'pool', 'final']
    >>> [open_sampler(like).having("n", 4) for like in ("importance", Importance, Importance(n=1))]
    [Importance(n=4), Importance(n=4), Importance(n=4)]
    """
    if isinstance(like, str):
        return _of_spec(like, SAMPLERS)
    if isinstance(like, type):
        kind = like if issubclass(like, Sampler) else adapter(like.__name__, like)
        return _of_spec(like.__name__, {like.__name__: kind})
    made = sampler(like)
    own = unwrapped(made)
    if not dataclasses.is_dataclass(own):
        return OpenSampler(made.name, made.name, {}, (), frozenset(), like, None)
    fields = [field for field in dataclasses.fields(own) if field.init]
    name, types = own.name if isinstance(own, Sampler) else type(own).__name__, _types(fields)
    return OpenSampler(name, _told(name, own, types), types, _needed(fields), frozenset(), own, None)


def _of_spec(text: str, kinds: Mapping[str, type[Sampler]]) -> OpenSampler:
    name, _, rest = text.partition(":")
    name = name.strip()
    if name not in kinds:
        raise SpecError(f"unknown sampler {name!r}, expected one of: {', '.join(kinds)}")
    fields = list(dataclasses.fields(kinds[name]))  # type: ignore[arg-type]
    given = frozenset(item.partition("=")[0].strip() for item in rest.split(","))
    return OpenSampler(name, text.rstrip(" ,"), _types(fields), _needed(fields), given, text, kinds)


def _told(name: str, own: Any, keys: Iterable[str], but: str | None = None) -> str:
    """An object in the form of a spec: its parameters that are not at their defaults, but for one."""
    default = {field.name: field.default for field in dataclasses.fields(own)}
    values = {key: getattr(own, key) for key in keys if key != but}
    told = [
        f"{key}={value if isinstance(value, str) else reprlib.repr(value)}"
        for key, value in values.items() if repr(value) != repr(default[key])
    ]  # fmt: skip
    return ":".join(filter(None, [name, ",".join(told)]))


def _types(fields: list[dataclasses.Field[Any]]) -> dict[str, str]:
    return {field.name: getattr(field.type, "__name__", str(field.type)) for field in fields}


def _needed(fields: list[dataclasses.Field[Any]]) -> tuple[str, ...]:
    missing = dataclasses.MISSING
    return tuple(field.name for field in fields if field.default is missing and field.default_factory is missing)
