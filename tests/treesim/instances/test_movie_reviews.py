"""The shipped texts as a family: what is cut off, and what is made sharper, against the whole tree."""

import numpy as np
import pytest

from treesim import family, sampler
from treesim.errors import SpecError
from treesim.instances.movie_reviews import judged_texts


@pytest.mark.parametrize("horizon, strength", [(2, 1.0), (3, 8.0), (6, 0.5)])
def test_the_first_steps_have_the_law_of_whole_texts(horizon, strength):
    whole = judged_texts()
    instance = family("movie-reviews", horizon=horizon, strength=strength)
    weight = sampler("base").law(whole).prob.to_float() * whole.reward.to_float() ** strength
    begun = [whole.graph.path(leaf)[horizon] - whole.graph.level(horizon).start for leaf in range(whole.graph.n_leaves)]
    target = np.bincount(begun, weight) / weight.sum()
    np.testing.assert_allclose(instance.target.prob.to_float(), target, rtol=1e-12)
    assert instance.audit.log_partition == pytest.approx(np.log(weight.sum()), abs=1e-12)


def test_the_value_is_that_of_the_perturbation():
    exact = family("movie-reviews", horizon=3, perturbation="exact")
    assert exact.audit.bellman_error < 1e-12 < 0.01 < family("movie-reviews", horizon=3).audit.bellman_error
    one, other = (family("movie-reviews", horizon=3, seed=seed).value.to_float() for seed in (0, 1))
    assert (one[1:21] != other[1:21]).all() and (one[21:] == other[21:]).all()


@pytest.mark.parametrize("wrong, message", [
    ({"horizon": 7}, "horizon is 7, expected from 1 to 6"), ({"strength": -1.0}, "strength is -1.0, expected at least"),
])  # fmt: skip
def test_parameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(SpecError, match=message):
        family("movie-reviews", **wrong)
