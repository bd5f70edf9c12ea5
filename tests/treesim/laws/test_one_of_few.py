import numpy as np
import pytest

from treesim.kernels.smc_counts import keep_one
from treesim.laws.one_of_few import FARTHEST_WEIGHTS, MOST_DRAWS, are_few, keep_one_of_few


@pytest.mark.parametrize("beside", [None, -np.inf, 0.3, -20.0, 26.0])
@pytest.mark.parametrize("draws", [1, 2, 7, MOST_DRAWS])
@pytest.mark.parametrize("spread", [0.0, 1.0, FARTHEST_WEIGHTS])
@pytest.mark.parametrize("zeros", [0, 2, 5])
def test_kept_draws_are_those_of_the_integral_one_law_at_a_time(spread, draws, beside, zeros):
    rng = np.random.default_rng(0)
    log_weight = spread * np.array([0.5, -0.5, 0.1, -0.2, 0.4])
    log_weight[:zeros] = -np.inf
    assert are_few(log_weight, draws)
    rho = np.vstack([np.eye(5), rng.dirichlet(np.full(5, 0.3), size=20)])
    kept = np.zeros_like(rho)
    keep_one(
        0, len(rho), rho, log_weight, float(draws), -np.inf if beside is None else beside, beside is not None, kept
    )
    np.testing.assert_allclose(keep_one_of_few(rho, log_weight, draws, beside), kept, rtol=1e-13, atol=1e-300)


def test_many_draws_and_far_weights_are_not_few():
    assert not are_few(np.zeros(2), MOST_DRAWS + 1)
    assert not are_few(np.array([0.0, 1.001 * FARTHEST_WEIGHTS, -np.inf]), 2)
    assert are_few(np.full(2, -np.inf), 2)
