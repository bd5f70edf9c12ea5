import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treesim import TreesimError
from treesim.kernels import arithmetic
from treesim.scaled import Scaled

logs = st.lists(st.one_of(st.just(-np.inf), st.floats(-1e6, 1e6)), min_size=1, max_size=20)


def is_canonical(x: Scaled) -> bool:
    m, e = x.mantissa, x.exponent
    inside = (m >= arithmetic.LOWEST) & (m < arithmetic.HIGHEST) & (e % arithmetic.BLOCK == 0)
    return bool((inside | ((m == 0) & (e == 0))).all())


@given(logs)
def test_logs_survive_the_round_trip(numbers):
    x = Scaled.from_log(numbers)
    assert is_canonical(x)
    np.testing.assert_allclose(x.log(), numbers, rtol=4e-16, atol=1e-13)


@given(st.lists(st.floats(0, 1.7e308), min_size=1, max_size=20))
def test_floats_survive_the_round_trip_to_the_bit(numbers):
    x = Scaled.from_float(numbers)
    assert is_canonical(x)
    assert x.to_float().tolist() == numbers


@given(st.integers(1, 20), st.data())
def test_products_and_quotients_add_and_subtract_logs(n, data):
    a, b = (np.array(data.draw(st.lists(st.floats(-3e3, 3e3), min_size=n, max_size=n))) for _ in range(2))
    x, y = Scaled.from_log(a), Scaled.from_log(b)
    for result, expected in ((x * y, a + b), (x.over(y), a - b)):
        assert is_canonical(result)
        np.testing.assert_allclose(result.log(), expected, rtol=1e-15, atol=2e-12)


@given(st.floats(0, 1e300, allow_subnormal=False), st.integers(-5000, 5000), st.floats(0, 1e300), st.integers(-9, 9))
def test_kernel_product_and_total_are_canonical_and_right(a, e, b, f):
    for kernel in (arithmetic.product, arithmetic.total):
        x = arithmetic.canonical(a, e)
        y = arithmetic.canonical(b, 512 * f)
        m, k = kernel(*x, *y)
        assert is_canonical(Scaled(np.array([m]), np.array([k], np.int32)))
    m, k = arithmetic.total(*arithmetic.canonical(a, 0), *arithmetic.canonical(b, 0))
    assert np.ldexp(m, k) == pytest.approx(a + b, rel=1e-15)


def test_numbers_at_the_edges_of_the_canonical_range():
    edges = [2.0**-257, np.nextafter(2.0**-257, 0), 2.0**255, np.nextafter(2.0**255, 0), 5e-324]
    x = Scaled.from_float(edges)
    assert is_canonical(x)
    assert x.exponent.tolist() == [0, -512, 512, 0, -1024]
    assert x.to_float().tolist() == edges


@pytest.mark.parametrize(
    ("mantissa", "exponent"),
    [
        (np.inf, 0),
        (np.nan, 0),
        (-1.0, 0),
        (1.0, 1),
        (1.0, 256),
        (0.0, 512),
        (2.0**255, 0),
        (2.0**-258, 0),
        (1.0, 2**29 + 512),
    ],
)
def test_numbers_that_are_not_canonical_are_refused(mantissa, exponent):
    with pytest.raises(TreesimError, match=r"number 1 is .* \* 2\*\*.*, expected canonical form"):
        Scaled(np.array([1.0, mantissa]), np.array([0, exponent], np.int32))


def test_the_ends_of_the_canonical_form_are_in_it():
    edges = np.array([2.0**-257, np.nextafter(2.0**255, 0.0), 0.0, 1.0])
    assert is_canonical(Scaled(edges, np.array([512, -(2**29), 0, 2**29], np.int32)))


@pytest.mark.parametrize(
    ("mantissa", "exponent"),
    [
        (np.ones(2, np.float32), np.zeros(2, np.int32)),
        (np.ones(2), np.zeros(2, np.int64)),
        (np.ones(2), np.zeros(1, np.int32)),
        (np.ones((2, 1)), np.zeros((2, 1), np.int32)),
    ],
)
def test_arrays_of_other_shapes_and_types_are_refused(mantissa, exponent):
    with pytest.raises(TreesimError, match="as many float64 as int32"):
        Scaled(mantissa, exponent)


@pytest.mark.parametrize("number", [-1.0, np.inf, np.nan])
def test_floats_that_are_no_finite_size_are_refused(number):
    with pytest.raises(TreesimError, match=rf"number 2 is {number}, expected a finite number of at least 0"):
        Scaled.from_float([0.0, 1.0, number])


@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_logs_that_are_no_number_are_refused(number):
    with pytest.raises(TreesimError, match=rf"log of number 1 is {number}, expected"):
        Scaled.from_log([-np.inf, number, 3.0])


def test_numbers_are_equal_if_mantissas_and_exponents_are():
    x = Scaled(np.array([1.0, 0.5]), np.array([0, 512], np.int32))
    assert x.equals(Scaled(np.array([1.0, 0.5]), np.array([0, 512], np.int32)))
    assert not x.equals(Scaled(np.array([1.0, 0.5]), np.array([0, 0], np.int32)))
    assert not x.equals(Scaled(np.array([1.0, 0.25]), np.array([0, 512], np.int32)))


def ulps_from_exp(x: Scaled, log_number) -> float:
    """How far numbers are from exp, taken with ln 2 to 60 digits, in units of the last place of 1."""
    far = Decimal(0)
    with localcontext(prec=60):
        for m, e, log in zip(x.mantissa.tolist(), x.exponent.tolist(), log_number, strict=True):
            far = max(far, abs(Decimal(m) / (Decimal(log) - e * Decimal(2).ln()).exp() - 1))
    return float(far) * 2.0**52


@pytest.mark.parametrize("size", [1.0, 200.0, 709.0, 1e6, 3e7])
def test_exponentials_have_the_digits_of_a_float(size):
    log_number = np.random.default_rng(0).uniform(-size, size, 1_000).tolist()
    x = Scaled.from_log(log_number)
    assert is_canonical(x)
    assert ulps_from_exp(x, log_number) < 1.2
    one_by_one = [arithmetic.exponential(log) for log in log_number]
    assert one_by_one == list(zip(x.mantissa.tolist(), x.exponent.tolist(), strict=True))


@pytest.mark.parametrize("power", [-769, -257, 255, 767])
def test_exponentials_are_canonical_on_both_sides_of_the_border(power):
    border = power * math.log(2.0)
    log_number = [border + i * math.ulp(border) for i in range(-40, 41)]
    x = Scaled.from_log(log_number)
    assert is_canonical(x)
    assert ulps_from_exp(x, log_number) < 1.2
    assert np.diff(x.exponent).tolist().count(arithmetic.BLOCK) == 1


def test_what_is_below_the_range_of_exponents_is_zero():
    assert Scaled.from_log([-4.9e8, -5.1e8]).log().tolist() == [pytest.approx(-4.9e8, rel=1e-15), -np.inf]
