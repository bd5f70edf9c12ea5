import json
import signal
import time
from pathlib import Path

import pytest

from treesim import FAMILIES, load, sampler
from treesim.compiled.families import TREES

# Its functions are those of docs/compiled-trees.md: compiled once for both.
TREE = '''
import treesim


@treesim.compiled_tree
class Ones:
    """A biased coin that counts its ones."""

    horizon: int = 6
    up: float = 0.3

    def root(self):
        return 0

    def children(self, state):
        return (state, state + 1), (1.0 - self.up, self.up)

    def reward(self, state):
        return 1.0 + 0.1 * state

    def value(self, state):
        return 1.3 + 0.1 * state


class Plain:
    pass
'''


@pytest.fixture
def tree(run):
    Path("tree.py").write_text(TREE)
    yield "tree.py:Ones"
    for name in TREES:
        FAMILIES.pop(name, None)
    TREES.clear()


def test_what_is_printed_is_what_the_arrays_say(run, tree):
    run("generate", tree, "--horizon", 8, "--set", "up=0.25", "-o", "a.st")
    instance = load("a.st")
    found = run.json("stream", f"{tree}:horizon=8,up=0.25", "sp-gsmc", "best-of-n:n=4", "importance:n=3")
    assert found["log_partition"] == pytest.approx(instance.audit.log_partition, abs=1e-12)
    assert found["bellman_error"]["by_level"]["sup"] == pytest.approx(instance.audit.sup.tolist(), rel=1e-12)
    assert (found["paths"], found["nodes"], found["rewards"]) == (256, 511, 9)
    for row in found["rows"]:
        tv = sampler(row["spec"]).law(instance).tv(instance.target)
        assert row["tv"]["kind"] == "exact"
        assert row["tv"]["lo"] == pytest.approx(tv.lo, abs=1e-12)


def test_people_read_figures_and_a_table(run, tree):
    lines = run("stream", tree, "base").stdout.splitlines()
    assert lines[0] == "Ones(horizon=6, up=0.3)"
    assert lines[-1].split()[0] == "base"
    assert run("stream", tree, "base", "--format", "csv").stdout.startswith("spec,tv.lo,tv.hi,tv.kind")
    assert "sampler" not in run("stream", tree).stdout


def test_a_compiled_tree_is_a_file_and_a_family(run, tree):
    assert run.json("inspect", f"{tree}:horizon=3")["nodes"] == 15
    assert run.json("tv", f"{tree}:horizon=3", "base")["rows"][0]["tv"]["kind"] == "exact"
    rows = run.json("compare", f"{tree}:horizon=3", "base", "importance:n=2")["rows"]
    assert [row["tv.kind"] for row in rows] == ["exact", "exact"]
    assert run.json("tv", f"{tree}:horizon=3", "base", "--target", f"{tree}:horizon=3")["rows"][0]["tv"]["lo"] > 0
    run("sample", tree, "base", "-n", 3, "-o", "leaves.csv")
    assert run.json("need", tree, "importance")["rows"][0]["least"] >= 1
    rows = run.json("scale", tree, "importance", "--horizons", "2,4", "--epsilon", "0.5/T", "--set", "up=0.2")["rows"]
    assert [row["epsilon"] for row in rows] == pytest.approx([0.25, 0.125], abs=1e-12)


def test_a_family_of_a_file_is_known_to_other_processes(program, tree):
    words = ("scale", tree, "importance", "--horizons", "2,3", "--epsilon", "0.5/T", "--jobs", "2", "--json")
    assert [row["horizon"] for row in json.loads(program(*words).out)["rows"]] == [2, 3]


def test_wrong_input(run, tree):
    assert "names no compiled tree, expected FILE.py:NAME" in run.error("stream", "tree.st")
    assert "none.py does not exist" in run.error("stream", "none.py:Ones")
    assert "tree.py defines no 'Twos'" in run.error("stream", "tree.py:Twos")
    assert "expected a class with @treesim.compiled_tree" in run.error("stream", "tree.py:Plain")
    assert "has no parameter 'down'; its parameters: horizon, up" in run.error("stream", f"{tree}:down=1")
    assert "horizon of Ones is '2.5', expected a whole number" in run.error("stream", f"{tree}:horizon=2.5")
    assert "unknown sampler 'luck'" in run.error("stream", tree, "luck")
    assert "depends on more than rewards" in run.error("stream", tree, "smc:particles=4")
    assert "too many different rewards" in run.error("stream", tree, "base", "--most-rewards", 3)
    assert "probabilities of state 0 (level 0) sum to" in run.error("stream", f"{tree}:up=nan")
    assert "or --set KEY=VALUE; expected tree.py:Ones" in run.error("generate", f"{tree}:up=0.1", "-o", "a.st")
    assert "has no parameter 'down'" in run.error("generate", tree, "--set", "down=1", "-o", "a.st")
    assert "--set ratio_cap: expected --ratio-cap" in run.error("generate", tree, "--set", "ratio_cap=2", "-o", "a.st")
    assert "expected KEY=VALUE" in run.error("generate", tree, "--set", "up", "-o", "a.st")


def test_interrupted_by_ctrl_c_it_goes_on(program, tree):
    Path("tree.py").write_text(TREE)
    words = ("stream", f"{tree}:horizon=24", "sp-gsmc", "--journal", "ones.jsonl", "--json")
    process, journal = program.start(*words), Path("ones.jsonl")
    started = time.monotonic()
    while not journal.exists() or journal.read_text().count("\n") < 10:
        assert process.poll() is None and time.monotonic() - started < 120
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    kept = journal.read_text().splitlines()
    assert 10 <= len(kept) < 2049
    again = json.loads(program(*words).out)
    assert journal.read_text().splitlines()[: len(kept)] == kept
    assert json.loads(program(*words[:3], "--json").out) == again
