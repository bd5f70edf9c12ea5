"""Whatever the input: a result, or one line that says what is wrong. Never a traceback, never a half-written file.

A short run in the suite; a long one by

    pytest tests/fuzz --hypothesis-profile explore
"""

import json
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from treesim import SAMPLERS, TreesimError, family, instance_from_graph, load, sampler
from treesim.cli.main import main
from treesim.instances import storage
from treesim.instances.graph_files import read_graph

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

# What a function of its own folder makes is the same for every example.
fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of instance files of every kind."""
    folder = tmp_path_factory.mktemp("saved")
    built = [
        family("dirichlet", horizon=3, perturbation="random-sign", epsilon=0.2),
        family("markov", horizon=5, states=2),
        instance_from_graph(read_graph(_written(folder / "g.json", GRAPH))),
    ]
    for i, instance in enumerate(built):
        instance.save(folder / f"{i}.safetensors")
    return [(folder / f"{i}.safetensors").read_bytes() for i in range(len(built))]


GRAPH = {
    "directed": True,
    "nodes": [{"id": "root"}, {"id": "a", "reward": 2.0}, {"id": "b", "reward": 1}],
    "edges": [{"source": "root", "target": "a", "prob": 0.25}, {"source": "root", "target": "b", "prob": 0.75}],
}


def _written(path: Path, document) -> Path:
    path.write_text(json.dumps(document))
    return path


def one_line(arguments) -> int:
    """Run a command: its exit code, after checking that a failure is one line and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code in (0, 1, 2), (arguments, result.output)
    if result.exit_code == 2:
        lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
        assert lines[-1].startswith("Error: "), (arguments, result.stderr)
        assert "did not expect this" not in result.stderr, (arguments, result.stderr)
        assert result.stdout == "", arguments
    assert "Traceback" not in result.output, arguments
    return result.exit_code


changes = st.lists(
    st.tuples(st.sampled_from(["set", "cut", "insert", "repeat"]), st.floats(0, 1), st.binary(min_size=1, max_size=9)),
    min_size=1,
    max_size=4,
)


@fuzz
@given(st.integers(0, 2), changes, st.booleans())
def test_instance_files(saved, tmp_path, monkeypatch, which, edits, is_sealed):
    if is_sealed:
        # As if whoever changed the file had sealed it anew.
        monkeypatch.setattr(storage, "_digest", lambda arrays, header: header["sha256"])
    content = saved[which]
    for how, where, what in edits:
        # Half of the edits fall into the header, where the sense is.
        place = int(where * len(content)) if where > 0.5 else int(2 * where * min(len(content), 900))
        rest = {"set": len(what), "cut": 10**9, "insert": 0, "repeat": -40}[how]
        content = content[:place] + (b"" if how == "cut" else what) + content[max(0, place + rest) :]
    path = tmp_path / "mutated.safetensors"
    path.write_bytes(content)
    event(f"exit code {one_line(['inspect', path])}")


names = st.one_of(
    st.sampled_from(["root", "a", "b", "", " ", "$x$", "a\nError: b", "\x1b[2J"]),
    st.integers(-3, 3), st.none(), st.floats(), st.lists(st.integers(0, 2), max_size=2),
)  # fmt: skip
numbers = st.one_of(
    st.sampled_from([0, 1, 0.5, 0.25, 0.75, 1e-320, 1e308, 10**400, -1, "0.5", "x", None, True]), st.floats()
)
attributes = st.dictionaries(st.sampled_from(["prob", "reward", "value", "id", "weight"]), numbers, max_size=3)
documents = st.fixed_dictionaries(
    {
        "directed": st.sampled_from([True, True, True, False, "x"]),
        "nodes": st.lists(st.builds(lambda name, more: {"id": name} | more, names, attributes), max_size=5),
        "edges": st.lists(
            st.builds(lambda a, b, p: {"source": a, "target": b, "prob": p}, names, names, numbers), max_size=6
        ),
    },
    optional={"multigraph": st.booleans(), "links": st.just([]), "graph": st.one_of(st.just({}), st.just([]))},
) | st.recursive(
    st.one_of(names, numbers),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["nodes", "edges", "links", "children", "name", "id", "prob", "reward", "adjacency", "elements"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@st.composite
def nearly_right(draw):
    """A graph that is right but for up to three things."""
    document = json.loads(json.dumps(GRAPH))
    for _ in range(draw(st.integers(0, 3))):
        items = document[draw(st.sampled_from(["nodes", "edges"]))]
        how = draw(st.sampled_from(["set", "set", "name", "drop", "again"]))
        if not items:
            continue
        item = draw(st.sampled_from(items))
        if how == "set":
            item[draw(st.sampled_from(["prob", "reward", "value", "weight"]))] = draw(numbers)
        elif how == "name":
            item[draw(st.sampled_from(sorted({"id", "source", "target"} & set(item))))] = draw(names)
        elif how == "drop":
            items.remove(item)
        else:
            items.append(dict(item))
    return document


@fuzz
@given(nearly_right() | documents)
def test_graphs(tmp_path, document):
    path = _written(tmp_path / "graph.json", document)
    output = tmp_path / "g.safetensors"
    output.unlink(missing_ok=True)
    code = one_line(["generate", "graph", path, "-o", output])
    event(f"exit code {code}")
    assert output.exists() == (code == 0)
    if code == 0:
        # What was accepted is a problem like any other.
        loaded = load(output)
        assert 0.0 <= sampler("sp-gsmc").law(loaded).tv(loaded.target, width=1e-3).hi <= 1.0


texts = st.sampled_from(
    ["0", "1", "2", "3", "-1", "0.5", "nan", "inf", "1e400", "", " ", "x", "$\\q$", "é", "9" * 30, "1e9", "true", ","]
)
specs = st.builds(
    lambda name, pairs, tail: f"{name}:{','.join('='.join(pair) for pair in pairs)}{tail}",
    st.sampled_from([*SAMPLERS, "luck", "", "SMC"]),
    st.lists(
        st.tuples(st.sampled_from(["n", "particles", "pool", "mh", "steps", "reject", "temperature", "x", ""]), texts),
        max_size=3,
    ),
    st.sampled_from(["", "", "", ":", ",", "=", "{}"]),
)
SMALL = family("dirichlet", horizon=2, perturbation="random-sign", epsilon=0.2)


@fuzz
@given(specs)
def test_specs(spec):
    try:
        chosen = sampler(spec)
    except TreesimError as error:
        assert "\n" not in str(error)
        event("refused")
        return
    event("a sampler")
    try:
        assert chosen.cost(SMALL).value_queries >= 0
        assert 0 <= chosen.law(SMALL).tv(SMALL.target).lo <= 1
    except TreesimError as error:
        assert "\n" not in str(error)


usual = [
    ("--horizon", "3"), ("--branching", "2"), ("--epsilon", "0.5/T"), ("--reward", "gaussian:beta=2"), ("--seed", "1"),
    ("--perturbation", "random-sign"), ("--ratio", "2"), ("--ratio-cap", "9"), ("--states", "2"), ("--stop", "0.5"),
    ("--form", "tree"), ("--runs", "20"), ("--width", "0.1"), ("--delta", "0.3"), ("--vary", "n"), ("--format", "csv"),
    ("--budget", "100"), ("--luck", "1"),
]  # fmt: skip
options = st.lists(
    st.one_of(st.sampled_from(usual), st.tuples(st.sampled_from([name for name, _ in usual]), texts)), max_size=3
)
commands = st.sampled_from([
    ("generate", "uniform", "--horizon", "3"), ("generate", "product", "--horizon", "4"), ("generate", "markov"),
    ("generate", "hidden-prefix"),
    ("generate", "extinction"), ("generate", "luck"), ("inspect",), ("tv", "sp-gsmc"), ("tv", "importance:n=3"),
    ("sample", "base"), ("need", "importance"), ("compare", "base"), ("verify",), ("merge",), ("unroll",), ("export",),
])  # fmt: skip


@fuzz
@given(commands, options)
def test_command_lines(tmp_path, monkeypatch, command, given_options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TREESIM_MEMORY_GIB", "0.01")
    SMALL.save("small.safetensors")
    name, *rest = command
    # The options of a command stand before the file it asks for, so that every parser sees them.
    file = [] if name == "generate" else ["small.safetensors"]
    line = [name, *file, *rest, *(text for pair in given_options for text in pair)]
    if name in ("generate", "merge", "unroll"):
        line += ["-o", "out.safetensors"]
    event(f"{name}: exit code {one_line(line)}")
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"small.safetensors", "out.safetensors"}, line
