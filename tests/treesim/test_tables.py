"""Tables for people, for programs and for papers."""

import math

import pytest

from treesim import TreesimError, results
from treesim.studies.store import open_store
from treesim.studies.sweep import read_grid, run
from treesim.tables import Records, flat, table

ROWS = Records([
    {"sampler": "base", "n": 1, "tv.lo": 0.5, "kl": math.inf, "parameters.epsilon": "0.5/T"},
    {"sampler": "smc:particles=4", "n": None, "tv.lo": 0.25, "kl": 0.1, "parameters.epsilon": 0.1, "error": "none"},
])  # fmt: skip


def test_what_would_command_a_format_is_text_in_it():
    rows = [["a|b_c & 5%", "$x^2$"]]
    markdown = table(["name", "<= |"], rows, form="markdown").splitlines()
    assert markdown[2].split() == ["|", r"a\|b_c", "&", "5%", "|", "$x^2$", "|"]
    assert markdown[0].split() == ["|", "name", "|", "<=", r"\|", "|"]
    latex = table(["name", "chi^2"], rows, form="latex")
    assert r"a|b\_c \& 5\%" in latex and r"\$x\^{}2\$" in latex and r"chi\^{}2" in latex
    assert latex.startswith(r"\begin{tabular}{lr}") and r"\toprule" in latex
    assert "\x1b" not in table(["a"], [["red \x1b[31m"]], form="markdown")


def test_rows_lack_what_others_have():
    assert ROWS.columns == ["sampler", "n", "tv.lo", "kl", "parameters.epsilon", "error"]
    assert ROWS.csv().splitlines() == [
        "sampler,n,tv.lo,kl,parameters.epsilon,error",
        "base,1,0.5,inf,0.5/T,",
        "smc:particles=4,,0.25,0.1,0.1,none",
    ]
    assert Records().csv() == "\n"


def test_documents_become_flat():
    assert flat({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None}) == {"a.b.c": 1, "a.d": [1, 2], "e": None}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library):
    frames = pytest.importorskip(library)
    frame = ROWS.to_frame(library)
    assert isinstance(frame, frames.DataFrame)
    assert list(frame.columns) == ROWS.columns
    assert list(frame["tv.lo"]) == [0.5, 0.25]
    assert list(frame["parameters.epsilon"]) == ["0.5/T", "0.1"]
    assert math.isinf(frame["kl"][0])


def test_the_results_of_a_sweep_are_a_frame(tmp_path):
    frames = pytest.importorskip("pandas")
    grid, store = tmp_path / "grid.toml", tmp_path / "s.sqlite"
    grid.write_text("[[grid]]\nfamily = 'product'\nsamplers = ['base', 'sp-gsmc']\nparameters = {horizon = [2, 3]}\n")
    with open_store(store, create=True) as opened:
        list(run(read_grid(grid), opened))
    frame = results(store).to_frame()
    assert isinstance(frame, frames.DataFrame)
    assert frame.groupby("sampler")["tv.hi"].max()["sp-gsmc"] < 1e-12 < frame["tv.hi"].max()


def test_libraries_that_are_none(monkeypatch):
    with pytest.raises(TreesimError, match="expected one of: pandas, polars"):
        ROWS.to_frame("numpy")
    monkeypatch.setattr("treesim.tables.FRAMES", ("treesim_none",))
    with pytest.raises(TreesimError, match="a data frame needs treesim_none: pip install treesim_none"):
        ROWS.to_frame()
