import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
