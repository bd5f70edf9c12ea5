"""Non-negative numbers of any size, at the speed and precision of plain floats.

Values multiply along a path, so they leave the range of a float; their logs stay in range but cost an
exponential and a logarithm a node, and lose digits when they are large. A `Scaled` array keeps each number as
``mantissa * 2**exponent`` in a canonical form: the exponent is a multiple of 512 and the mantissa lies in
[2**-257, 2**255), or both are zero. Exponents are zero for every number between 1e-77 and 1e76, so kernels
add and multiply mantissas as plain floats nearly always, and every result has the relative error of float
arithmetic, a few 1e-16, whether it stands for 1 or for exp(-50000). Logs appear at the border only.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import ArrayLike, NDArray

from treesim.arrays import FloatArray, read_only
from treesim.errors import TreesimError
from treesim.kernels.arithmetic import BLOCK, HIGHEST, LN2, LOWEST, VECTOR, exponentials, first_odd
from treesim.runtime.threads import chunked

BYTES_A_VALUE = 12
# Sums and differences of two exponents stay far inside 32 bits.
LARGEST_EXPONENT = 2**29


@dataclass(frozen=True, eq=False, repr=False)
class Scaled:
    """An array of numbers ``mantissa * 2**exponent >= 0`` in canonical form.

    Parameters
    ----------
    mantissa : ndarray of float64, shape [n]
    exponent : ndarray of int32, shape [n]

    Raises
    ------
    TreesimError
        If the arrays have other shapes or types, or a number is not canonical.

    Examples
    --------
    >>> x = Scaled.from_log([-10_000.0, 0.0, -np.inf])
    >>> x.log()
    array([-10000., 0., -inf])
    >>> (x * x).log()
    array([-20000., 0., -inf])
    >>> x
    Scaled(3 numbers, logs -1e+04, 0, -inf)
    """

    mantissa: FloatArray
    exponent: NDArray[np.int32]

    def __repr__(self) -> str:
        first = ", ".join(f"{log_number:.4g}" for log_number in self[:3].log())
        return f"Scaled({len(self)} numbers, logs {first}{', ...' if len(self) > 3 else ''})"

    def __post_init__(self) -> None:
        m, e = self.mantissa, self.exponent
        if m.dtype != np.float64 or e.dtype != np.int32 or m.ndim != 1 or m.shape != e.shape:
            raise TreesimError(
                f"mantissas are {m.dtype} of shape {m.shape} and exponents {e.dtype} of shape {e.shape}, expected "
                "as many float64 as int32"
            )
        odd = first_odd(*self.numbers, LARGEST_EXPONENT)
        if odd >= 0:
            raise TreesimError(f"number {odd} is {m[odd]:g} * 2**{e[odd]}, expected canonical form")

    @classmethod
    def _of(cls, mantissa: FloatArray, exponent: NDArray[np.int32]) -> Scaled:
        """Of arrays that are canonical, or will be."""
        scaled = object.__new__(cls)
        object.__setattr__(scaled, "mantissa", mantissa)
        object.__setattr__(scaled, "exponent", exponent)
        return scaled

    @classmethod
    def empty(cls, n: int) -> Scaled:
        """Room for `n` numbers, not yet set."""
        return cls._of(np.empty(n), np.empty(n, np.int32))

    @classmethod
    def zeros(cls, n: int) -> Scaled:
        """`n` zeros."""
        return cls._of(np.zeros(n), np.zeros(n, np.int32))

    @classmethod
    def from_log(cls, log_number: ArrayLike) -> Scaled:
        """From natural logs, shape [n]; ``-inf`` is zero, and so is what lies below -5e8."""
        log_number = np.asarray(log_number, np.float64)
        result = cls.empty(len(log_number))
        if not put_exponentials(log_number, result):
            odd = int(np.argmin(log_number < np.inf))
            raise TreesimError(f"log of number {odd} is {log_number[odd]}, expected a finite number or -inf")
        return result

    @classmethod
    def from_float(cls, number: ArrayLike) -> Scaled:
        """From plain floats >= 0, shape [n]."""
        mantissa = np.array(number, np.float64)
        if not (np.min(mantissa, initial=0.0) >= 0.0 and np.max(mantissa, initial=0.0) < np.inf):
            odd = int(np.argmin((mantissa >= 0.0) & (mantissa < np.inf)))
            raise TreesimError(f"number {odd} is {mantissa[odd]}, expected a finite number of at least 0")
        return cls._canonical(mantissa, np.zeros(len(mantissa), np.int32))

    @classmethod
    def _canonical(cls, mantissa: FloatArray, exponent: NDArray[np.int32]) -> Scaled:
        """Bring the entries that left the range back, in place; entries equal to zero lose their exponent."""
        exponent[mantissa == 0.0] = 0
        odd = np.flatnonzero((mantissa < LOWEST) & (mantissa > 0.0) | (mantissa >= HIGHEST))
        if len(odd):
            fraction, power = np.frexp(mantissa[odd])
            block = BLOCK * ((power + BLOCK // 2) // BLOCK)
            mantissa[odd] = np.ldexp(fraction, power - block)
            exponent[odd] += block
        return cls._of(mantissa, exponent)

    @property
    def numbers(self) -> tuple[FloatArray, NDArray[np.int32]]:
        """Mantissas and exponents, for a kernel to read: always read-only, or it would be compiled once for each."""
        return read_only(self.mantissa), read_only(self.exponent)

    @property
    def room(self) -> tuple[FloatArray, NDArray[np.int32]]:
        """Mantissas and exponents, for a kernel to write."""
        return self.mantissa, self.exponent

    def log(self) -> FloatArray:
        """Natural logs, shape [n]."""
        with np.errstate(divide="ignore"):
            result = np.log(self.mantissa)
        if self.exponent.any():
            result += self.exponent * LN2
        return result

    def to_float(self) -> FloatArray:
        """Plain floats, shape [n]; what is too small becomes zero, what is too large ``inf``."""
        if not self.exponent.any():
            return self.mantissa
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.mantissa, self.exponent)

    def __len__(self) -> int:
        return len(self.mantissa)

    def __getitem__(self, part: slice | NDArray[np.integer] | NDArray[np.bool_]) -> Scaled:
        return Scaled._of(self.mantissa[part], self.exponent[part])

    def followed_by(self, other: Scaled) -> Scaled:
        """These numbers and others, in one array."""
        return Scaled._of(
            np.concatenate([self.mantissa, other.mantissa]), np.concatenate([self.exponent, other.exponent])
        )

    def __mul__(self, other: Scaled) -> Scaled:
        mantissa = self.mantissa * other.mantissa
        return Scaled._canonical(mantissa, self.exponent + other.exponent)

    def over(self, other: Scaled) -> Scaled:
        """The quotient by positive numbers."""
        mantissa = self.mantissa / other.mantissa
        return Scaled._canonical(mantissa, self.exponent - other.exponent)

    def frozen(self) -> Scaled:
        """The same numbers, read-only."""
        return Scaled._of(read_only(self.mantissa), read_only(self.exponent))

    def equals(self, other: Scaled) -> bool:
        """Whether all numbers are the same, to the bit."""
        return np.array_equal(self.mantissa, other.mantissa) and np.array_equal(self.exponent, other.exponent)


def put_exponentials(log_number: FloatArray, out: Scaled, largest: float = sys.float_info.max) -> bool:
    """Write exp of numbers in nats to `out`; returns whether all of them are -inf or at most `largest` in size."""
    room, fine = out.room, []

    def put(lo: int, hi: int) -> None:
        power = np.empty(VECTOR)
        fine.append(exponentials(lo, hi, log_number, largest, room, power, power.view(np.int64)))

    chunked(put, len(log_number), 3 * len(log_number))
    return all(fine)


def as_scaled(log_number: ArrayLike | Scaled) -> Scaled:
    """Logs as a `Scaled` array; a `Scaled` array as it is."""
    return log_number if isinstance(log_number, Scaled) else Scaled.from_log(log_number)


def exp_or_inf(log_number: float) -> float:
    """``exp``, infinite where floats end instead of an error."""
    return exp(log_number) if log_number < 709.78 else math.inf


def expm1_or_inf(log_number: float) -> float:
    """``exp - 1``, infinite where floats end instead of an error."""
    return math.expm1(log_number) if log_number < 709.78 else math.inf
