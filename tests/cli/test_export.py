from pathlib import Path

import numpy as np
import pytest


@pytest.mark.parametrize("form", ["json", "graphml", "dot"])
def test_export_and_back(run, instance, form):
    run("export", instance, "-o", f"g.{form}")
    assert Path(f"g.{form}").read_text() == run("export", instance, "--format", form).stdout
    if form != "dot":
        back = run.json("generate", "graph", f"g.{form}", "-o", "b.st")
        assert back["log_partition"] == pytest.approx(run.json("inspect", instance)["log_partition"], rel=1e-13)
        assert back["bellman_error"]["sup"] == pytest.approx(0.1, abs=1e-12)


def test_export_as_one_json_document(run, instance):
    assert len(run.json("export", instance)["nodes"]) == 31
    assert "--json prints node-link" in run.error("export", instance, "--format", "dot", "--json")


def test_a_trellis_goes_out_as_a_graph_and_comes_back(run, chain):
    run("export", chain, "-o", "m.json")
    back = run.json("generate", "graph", "m.json", "-o", "b.st")
    assert back["log_partition"] == pytest.approx(run.json("inspect", chain)["log_partition"], rel=1e-12)
    assert back["log2_paths"] == pytest.approx(40 * np.log2(3))
