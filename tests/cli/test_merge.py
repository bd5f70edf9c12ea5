import numpy as np

from treesim import Instance, Scaled, Tree, load, merge, save


def test_a_tree_becomes_a_trellis(run):
    run("generate", "product", "--horizon", 10, "--form", "tree", "-o", "tree.st")
    done = run("merge", "tree.st", "-o", "trellis.st")
    assert done.stderr == "2047 nodes are 66 now\n"
    assert load("trellis.st").same_as(merge(load("tree.st"))[0])
    assert run.json("inspect", "trellis.st")["log_partition"] == run.json("inspect", "tree.st")["log_partition"]


def test_a_tolerance_merges_more_and_says_what_it_costs(run):
    run("generate", "dirichlet", "--horizon", 6, "-o", "tree.st")
    done = run("merge", "tree.st", "--tolerance", 0.5, "-o", "trellis.st")
    assert "the target moved by TV 0." in done.stderr
    assert load("trellis.st").graph.n_nodes < 127
    assert run("merge", "tree.st", "-o", "t.st", "--format", "csv").stdout.startswith("instance,horizon,nodes,")


def test_names_that_are_lost_are_said(run):
    tree = Tree(np.array([0, 1, 3]), np.array([0, 2]), np.array([0.5, 0.5]), ("root", "a", "b"))
    save(Instance(tree, Scaled.from_float(np.ones(3))), "named.st")
    assert run("merge", "named.st", "-o", "merged.st").stderr == (
        "3 nodes are 2 now\n"
        "1 nodes lost their names, merged with nodes of other names; that of the first of them stands\n"
    )
    run("generate", "ngram", "--horizon", 3, "--contains", "e", "-o", "texts.st")
    run("unroll", "texts.st", "-o", "tree.st")
    assert "what edges write tells the texts" in run("merge", "tree.st", "-o", "merged.st").stderr
    words = run.json("sample", "merged.st", "base", "--runs", 5)
    assert all(len(text) == 3 for text in words["text"])


def test_wrong_input(run, instance):
    assert "is the input" in run.error("merge", instance, "-o", instance)
    assert "none.st does not exist" in run.error("merge", "none.st", "-o", "x.st")
    assert "-1.0 is not in the range" in run.error("merge", instance, "--tolerance", -1, "-o", "x.st")
    assert "Missing option '-o'" in run.error("merge", instance)
