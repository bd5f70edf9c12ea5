"""Block best-of-N is block by block what best-of-N is."""

from hypothesis import given

from tests import naive
from tests.treesim.zoo.brute import blockwise, same, small_instances, values


@given(small_instances)
def test_each_block_is_a_best_of_n(instance):
    for n, tokens in ((1, 1), (2, 1), (3, 1), (3, 2)):
        same(f"block-best-of-n:n={n},tokens={tokens}", instance, blockwise(instance, n, tokens))


@given(small_instances)
def test_one_block_is_best_of_n(instance):
    reward = values(instance)[-instance.graph.n_leaves :]
    whole = naive.best_of(naive.reference(instance.graph), reward, 3)
    for tokens in (instance.graph.horizon, 99):
        same(f"block-best-of-n:n=3,tokens={tokens}", instance, whole)
