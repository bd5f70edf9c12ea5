"""Features of prefixes, against the prefixes themselves."""

import numpy as np
import pytest

from tests import naive
from treesim import SpecError, Tree, TreesimError, family, merge, register_feature, unroll
from treesim.learning import FEATURES, features_of
from treesim.testing.strategies import trellis_instances


def dense(instance, spec, **options):
    found = features_of(instance, spec, **options)
    return found.matrix.toarray(), found.columns


def texts() -> list[str]:
    """What each node of levels 1 to 3 of a ternary tree has written."""
    tree = Tree.complete(3, 4)
    return ["".join(map(str, tree.choices(v - tree.level(t).start, t))) for t in (1, 2, 3) for v in _level(tree, t)]


def _level(tree, t):
    return range(tree.level(t).start, tree.level(t).stop)


@pytest.fixture
def ternary():
    return family("dirichlet", horizon=4, branching=3)


def test_numbers_of_a_prefix(ternary):
    matrix, columns = dense(ternary, "one,time,count:2,count")
    assert columns == ["one", "time", "count:2", "count:0", "count:1", "count:2"]
    expected = [[1, len(s) / 4, s.count("2"), s.count("0"), s.count("1"), s.count("2")] for s in texts()]
    np.testing.assert_array_equal(matrix, expected)


def test_classes_of_a_prefix(ternary):
    matrix, columns = dense(ternary, "level,suffix:2")
    assert columns[:3] == ["level=1", "level=2", "level=3"] and len(columns) == 3 + 3 + 9
    for row, text in zip(matrix, texts(), strict=True):
        seen = {columns[i] for i in np.flatnonzero(row)}
        assert seen == {f"level={len(text)}", f"suffix:2={text[-2:]}"}
        assert set(row) <= {0.0, 1.0}


def test_products_are_tables_of_pairs(ternary):
    matrix, columns = dense(ternary, "level*suffix:1,time*count:1*count:1")
    assert len(columns) == 9 + 1 and columns[-1] == "time*count:1*count:1"
    for row, text in zip(matrix, texts(), strict=True):
        assert row[columns.index(f"level={len(text)}*suffix:1={text[-1]}")] == 1.0
        assert row[:9].sum() == 1.0
        assert row[-1] == len(text) / 4 * text.count("1") ** 2


def test_a_table_has_a_column_for_each_node(ternary):
    matrix, columns = dense(ternary, "node")
    np.testing.assert_array_equal(matrix, np.eye(39))
    assert columns == [f"node={v}" for v in range(1, 40)]


def test_what_pi_ref_never_writes_has_no_class():
    instance = family("dirichlet", horizon=3)
    tree = instance.graph
    prob = tree.edge_prob.copy()
    prob[:2] = 0.0, 1.0
    from treesim import Instance

    cut = Instance(Tree(tree.level_ptr, tree.edge_ptr, prob), instance.value)
    matrix, columns = dense(cut, "suffix:2,count:0")
    assert columns == ["suffix:2=1", "suffix:2=10", "suffix:2=11", "count:0"]
    assert matrix[0].tolist() == [0.0] * 4 == matrix[2].tolist()


def test_tokens_are_those_of_the_texts():
    tree, _ = Tree.from_policy(lambda prefix: [0.2, 0.3, 0.5], ["a", ",", "*b"], horizon=3)
    from treesim import Instance

    instance = Instance.from_scores(tree, lambda prefix: 1.0 + len(prefix))
    matrix, columns = dense(instance, "count:',',count:a,count:\"*b\",suffix:1")
    assert columns == ["count:,", "count:a", "count:*b", "suffix:1=*b", "suffix:1=,", "suffix:1=a"]
    prefixes = [name for name in tree.names if 0 < len(name) < 3]
    np.testing.assert_array_equal(matrix[:, :3], [[p.count(","), p.count("a"), p.count("*b")] for p in prefixes])
    for row, prefix in zip(matrix, prefixes, strict=True):
        assert columns[3 + int(row[3:].argmax())] == f"suffix:1={prefix[-1]}"


def test_early_ends_write_nothing():
    import networkx as nx

    from treesim import Instance, Scaled

    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("", "a", 0.5), ("", "b", 0.5), ("b", "bb", 1.0), ("bb", "bbb", 1.0)], weight="prob")
    tree = Tree.from_networkx(graph)
    instance = Instance(tree, Scaled.from_float(np.ones(tree.n_nodes)))
    matrix, columns = dense(instance, "count:b,count:a,suffix:2")
    by_name = {name: dict(zip(columns, row, strict=True)) for name, row in zip(tree.names[1:], matrix, strict=False)}
    assert by_name["bb"]["count:b"] == 2 and by_name["bb"]["suffix:2=bb"] == 1 and by_name["a"]["count:a"] == 1


def test_a_split_trellis_has_the_paths_rewards_and_features_of_its_tree():
    checked = 0
    from hypothesis import given, settings

    @given(trellis_instances())
    @settings(max_examples=60)
    def check(instance):
        nonlocal checked
        if instance.horizon < 2:
            return
        split = features_of(instance, "suffix:2,count", is_split=True)
        whole = split.instance
        a, b = unroll(instance), unroll(whole)
        reached = a.reference.prob.mantissa > 0
        assert a.reference.prob[reached].equals(b.reference.prob)
        assert a.reward[reached].equals(b.reward)
        expected = features_of(b, "suffix:2,count")
        columns = dict(zip(expected.columns, expected.matrix.toarray().T, strict=True))
        # Nodes of the tree in the order of `unroll`, by the node of the split trellis they stand for.
        rows = [np.zeros(1, int)]
        for t in range(instance.horizon):
            layer = whole.graph.layer(t)
            ends = [layer.ends(np.arange(layer.ptr[v], layer.ptr[v + 1])) for v in rows[-1]]
            rows.append(np.concatenate(ends))
        at = np.concatenate([whole.graph.level_ptr[t] + row for t, row in enumerate(rows)][1:-1]) - 1
        found = split.matrix.toarray()[at]
        for i, name in enumerate(split.columns):
            np.testing.assert_array_equal(found[:, i], columns[name], err_msg=name)
        checked += whole.graph.n_nodes > instance.graph.n_nodes

    check()
    assert checked > 20, checked


def test_what_paths_of_a_trellis_disagree_on_is_no_feature():
    chain = family("markov", horizon=3, states=2)
    dense(chain, "suffix:1")
    message = r"feature 'count:1' is no function of the nodes: prefixes that differ in it meet at node 3 \(level 2\)"
    with pytest.raises(TreesimError, match=message):
        features_of(chain, "count:1")
    assert features_of(chain, "count:1", is_split=True).instance.graph.n_level(2) == 4
    # Where nothing is asked that needs it, nothing is split.
    assert features_of(chain, "level", is_split=True).instance is chain


def test_the_state_of_a_constraint_is_found_again():
    instance = family("ngram", horizon=5, order=2, tokens=5, contains=("te",))
    matrix, columns = dense(instance, "automaton")
    assert [name[:10] for name in columns] == ["automaton="] * 3 and (matrix.sum(axis=1) == 1.0).all()
    # What has met the constraint is worth 1.
    met = columns.index("automaton=2")
    twist = instance.twist.to_float()[1 : instance.graph.leaves.start]
    np.testing.assert_array_equal(matrix[:, met] > 0, twist >= 1.0 - 1e-12)
    # Splitting keeps what was known of the nodes.
    split, names = dense(instance, "automaton,count:t", is_split=True)
    assert names[:3] == columns and len(split) > len(matrix) and (split[:, :3].sum(axis=1) == 1.0).all()
    for other in (merge(instance)[0], unroll(instance)):
        with pytest.raises(TreesimError, match="makes another trellis; is the text still the same, and the instance"):
            features_of(other, "automaton")
    with pytest.raises(TreesimError, match="'automaton' is known for instances of family 'ngram' only"):
        features_of(family("uniform", horizon=3), "automaton")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("levels", "unknown feature 'levels', expected one of: one, time, level, suffix:j, count:TOKEN"),
        ("level:2", "unknown feature 'level:2'"),
        ("level,,time", "features 'level,,time' cannot be read, expected terms such as one, time"),
        ("", "features '' cannot be read"),
        ("level*", "features 'level\\*' cannot be read"),
        ("suffix", "feature 'suffix' needs how many tokens, such as suffix:2"),
        ("suffix:0", "feature 'suffix:0' needs how many tokens"),
        ("count:x", "no edge writes 'x', expected one of: '0', '1', '2'"),
        ("suffix:40", "there are too many sequences of 40 tokens out of 3"),
    ],
)
def test_features_that_are_none_are_told(ternary, spec, message):
    with pytest.raises(TreesimError, match=message):
        features_of(ternary, spec)


def test_arrays_and_functions_are_features_where_they_fit(ternary):
    table = np.arange(121.0)
    matrix, columns = dense(ternary, [table, "one"])
    assert columns == ["array:0", "one"] and matrix[:, 0].tolist() == table[1:40].tolist()
    with pytest.raises(TreesimError, match=r"features 'array' have shape \(7,\), expected finite numbers, a row"):
        features_of(ternary, np.ones(7))
    with pytest.raises(TreesimError, match="features 'array' have shape"):
        features_of(ternary, np.full(121, np.nan))
    with pytest.raises(TreesimError, match=r"feature 'odd' gives 1 numbers for \(0,\), and 2 for others"):
        features_of(ternary, _odd())
    with pytest.raises(TreesimError, match="the features are zero at every prefix of 1 to 3 tokens"):
        features_of(ternary, np.zeros(121))
    with pytest.raises(TreesimError, match="features from a function need names on a trellis"):
        features_of(family("markov", horizon=3), lambda prefix: 1.0)
    with pytest.raises(TreesimError, match="the horizon is 1, and nothing lies between the root and the rewards"):
        features_of(family("uniform", horizon=1), "level")


def _odd():
    def odd(prefix):
        return [1.0] if prefix == (0,) else [1.0, 2.0]

    return odd


def test_names_of_features_are_words_of_their_own():
    for name in ("level", "a,b", "", "count"):
        with pytest.raises(SpecError, match="no feature can be called"):
            register_feature(name)
    register_feature("length")(len)
    try:
        matrix, columns = dense(family("uniform", horizon=3), "length")
        assert columns == ["length:0"] and matrix.ravel().tolist() == [1.0] * 2 + [2.0] * 4
    finally:
        del FEATURES["length"]


def test_counting_chain_counts():
    for growth in ("extensive", "diffusive", "intensive", "threshold"):
        instance = family("counting-chain", horizon=5, growth=growth)
        tree = unroll(instance)
        ones = np.array([sum(tree.graph.choices(leaf)) for leaf in range(32)])
        over = ones - 15 / 7
        expected = {
            "extensive": 0.5 * ones, "diffusive": over / np.sqrt(5), "intensive": 2 * ones / 5,
            "threshold": np.log(np.where(over > 0.5 * np.sqrt(5), 1.0, 0.05)),
        }[growth]  # fmt: skip
        np.testing.assert_allclose(tree.log_reward, expected, atol=1e-14)
        law = dict(zip(map(tuple, map(tree.graph.choices, range(32))), naive.reference(tree.graph), strict=True))
        assert float(law[0, 1, 1, 0, 0]) == pytest.approx(4 / 7 * 0.3 * 0.6 * 0.4 * 0.7)
    assert family("counting-chain", horizon=40, perturbation="random-sign", epsilon=0.1).audit.bellman_error > 0.09
    assert np.ptp(family("counting-chain", horizon=3, growth="extensive", strength=2.0).log_reward) == pytest.approx(6)
    with pytest.raises(SpecError, match="growth is 'fast', expected one of: extensive, diffusive"):
        family("counting-chain", horizon=3, growth="fast")
