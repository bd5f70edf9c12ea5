from treesim import load, merge


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


def test_wrong_input(run, instance):
    assert "is the input" in run.error("merge", instance, "-o", instance)
    assert "none.st does not exist" in run.error("merge", "none.st", "-o", "x.st")
    assert "-1.0 is not in the range" in run.error("merge", instance, "--tolerance", -1, "-o", "x.st")
    assert "Missing option '-o'" in run.error("merge", instance)
