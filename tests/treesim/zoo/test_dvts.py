"""DVTS is best-of-N over independent greedy searches."""

from hypothesis import given

from tests import naive
from tests.treesim.zoo.brute import blockwise, same, small_instances, values
from treesim.testing.strategies import instances, tame_numbers


@given(instances(tame_numbers, max_leaves=4, max_horizon=2))
def test_it_is_the_best_of_greedy_searches(instance):
    reward = values(instance)[-instance.graph.n_leaves :]
    for subtrees, width in ((1, 3), (2, 2), (3, 1)):
        greedy = blockwise(instance, width, 1)
        same(f"dvts:subtrees={subtrees},width={width}", instance, naive.best_of(greedy, reward, subtrees))


@given(small_instances)
def test_without_a_choice_it_is_best_of_n(instance):
    reward = values(instance)[-instance.graph.n_leaves :]
    whole = naive.best_of(naive.reference(instance.graph), reward, 2)
    same("dvts:subtrees=2,width=1", instance, whole)
