from pathlib import Path

from treesim import load, unroll


def test_a_trellis_becomes_the_tree_of_its_paths(run):
    run("generate", "markov", "--horizon", 5, "-o", "trellis.st")
    document = run.json("unroll", "trellis.st", "-o", "tree.st")
    assert document == run.json("inspect", "tree.st")
    assert load("tree.st").graph.n_leaves == 3**5
    assert load("tree.st").same_as(unroll(load("trellis.st")))


def test_what_does_not_fit_is_refused(run):
    run("generate", "markov", "--horizon", 1000, "-o", "long.st")
    assert "a tree of 2^1585 leaves" in run.error("unroll", "long.st", "-o", "tree.st")
    Path("thesis.txt").write_text("years")
    assert "is not an instance file" in run.error("unroll", "long.st", "-o", "thesis.txt")
    assert Path("thesis.txt").read_text() == "years"
