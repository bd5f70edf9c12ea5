"""Grids: whatever is wrong in one is told in one sentence, before anything is computed."""

import pytest

from treesim import FAMILIES, SAMPLERS, Instance, SpecError, TreesimError, family, register_sampler
from treesim.studies import grid as grids
from treesim.studies.grid import Cell, SweepError, read_grid

HEAD = "[[grid]]\nfamily = 'product'\nsamplers = ['base']\n"


def read(tmp_path, text):
    path = tmp_path / "grid.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_grid(path)


def with_parameters(text):
    return f"{HEAD}[grid.parameters]\n{text}\n"


NO_GRIDS = [
    ("", "has nothing, expected one table"),
    ("# only a comment", "has nothing"),
    ("grid = 3", "has grid, expected one table"),
    ("grid = []", "expected one table"),
    ("grid = [1, 2]", "a grid is 1, expected a table"),
    ("grid = [[1], [2]]", r"a grid is \[1\], expected a table"),
    ("grid = 1979-05-27", "expected one table"),
    ("[grid]\nfamily = 'product'", "expected one table"),
    ("[[grid]", "cannot be read as TOML"),
    ("[[grid]]\nfamily = 'product'\nfamily = 'product'", "cannot be read as TOML"),
    ("x = 1\n" + HEAD, "has x, grid, expected"),
    (b"\xff\xfe\x00", "cannot be read as TOML"),
    ("a = " + "[" * 20_000, "cannot be read as TOML"),
    (f"a = {'9' * 5000}", "cannot be read as TOML"),
]

NO_TABLES = [
    ("[[grid]]", "family is None, expected one of"),
    ("[[grid]]\nfamily = 3", "family is 3"),
    ("[[grid]]\nfamily = ['product']", r"family is \['product'\]"),
    ("[[grid]]\nfamily = {a = 1}", "family is {'a': 1}"),
    ("[[grid]]\nfamily = 'luck'", "family is 'luck'"),
    ("[[grid]]\nfamily = 'product'", "samplers is None, expected a list of specs"),
    ("[[grid]]\nfamily = 'product'\nsamplers = 'base'", "samplers is 'base'"),
    ("[[grid]]\nfamily = 'product'\nsamplers = []", "expected a list of specs"),
    ("[[grid]]\nfamily = 'product'\nsamplers = [3]", r"samplers is \[3\]"),
    ("[[grid]]\nfamily = 'product'\nsamplers = ['base', ['base']]", "expected a list of specs"),
    ("[[grid]]\nfamily = 'product'\nsamplers = [1979-05-27]", "expected a list of specs"),
    ("[[grid]]\nfamily = 'product'\nsamplers = [{base = 1}]", "expected a list of specs"),
    (HEAD + "seed = 3", "unknown key 'seed', expected: budget, family"),
    (HEAD + "seeds = 3", "seeds is 3, expected a list of whole numbers"),
    (HEAD + "seeds = []", r"seeds is \[\]"),
    (HEAD + "seeds = [-1]", "seeds is"),
    (HEAD + "seeds = [1.0]", "seeds is"),
    (HEAD + "seeds = [true]", "seeds is"),
    (HEAD + "seeds = ['0']", "seeds is"),
    (HEAD + "seeds = [[0]]", "seeds is"),
    (HEAD + f"seeds = [{2**63}]", "seeds is"),
    (HEAD + f"seeds = [1{'0' * 400}]", "seeds is"),
    (HEAD + "runs = 3", "runs is 3, expected a whole number from 20"),
    (HEAD + "runs = 100.0", "runs is 100.0"),
    (HEAD + "runs = '100'", "runs is '100'"),
    (HEAD + "runs = true", "runs is True"),
    (HEAD + "runs = [100, 200]", "runs is"),
    (HEAD + f"runs = 1{'0' * 30}", "runs is"),
    (HEAD + "width = 0", "width is 0, expected a number above 0"),
    (HEAD + "width = nan", "width is nan"),
    (HEAD + "width = 'small'", "width is 'small'"),
    (HEAD + "budget = inf", "budget is inf"),
    (HEAD + "budget = false", "budget is False"),
    (HEAD + "outcomes = 8", "outcomes is 8, expected a list of whole numbers from 1"),
    (HEAD + "outcomes = []", "outcomes is"),
    (HEAD + "outcomes = [8, 0]", "outcomes is"),
    (HEAD + "parameters = 3", "parameters is 3, expected a table"),
    (HEAD + "parameters = [{horizon = 2}]", "expected a table"),
]

NO_PARAMETERS = [
    ("", "needs horizon"),
    ("horizon = []", "horizon is an empty list"),
    ("horizon = 2\nluck = 3", "family 'product' has no parameter 'luck'; its parameters: horizon"),
    ("horizon = 2\nseed = 3", "seed is a parameter of 'product', expected a list seeds"),
    ("horizon = '2'", "horizon has the value '2', expected a whole number"),
    ("horizon = 2.0", "horizon has the value 2.0, expected a whole number"),
    ("horizon = [2, true]", "horizon has the value True"),
    ("horizon = [[2, 3]]", r"horizon has the value \[2, 3\]"),
    ("horizon = {from = 2, to = 3}", "horizon has the value {'from': 2"),
    ("horizon = 1979-05-27", "horizon has the value datetime.date"),
    ("horizon = 07:32:00", "horizon has the value datetime.time"),
    ("horizon = 1979-05-27T07:32:00Z", "horizon has the value datetime.date"),
    (f"horizon = 1{'0' * 400}", "horizon has the value 1000"),
    (f"horizon = -1{'0' * 30}", "horizon has the value -1000"),
    ("horizon = nan", "horizon has the value nan"),
    ("horizon = 2\nratio = inf", "ratio has the value inf, expected a number"),
    ("horizon = 2\nratio = [1.5, nan]", "ratio has the value nan"),
    ("horizon = 2\nratio = true", "ratio has the value True"),
    ("horizon = 2\nform = 3", "form has the value 3, expected a text"),
    ("horizon = 2\nepsilon = [[0.1]]", "epsilon has the value"),
]


@pytest.mark.parametrize(("text", "message"), NO_GRIDS + NO_TABLES)
def test_wrong_grids_are_refused(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(("text", "message"), NO_PARAMETERS)
def test_wrong_parameters_are_refused(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        read(tmp_path, with_parameters(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contains = [[1979-05-27]]", "expected a number, a text or a list of these"),
        ("contains = [[[inf]]]", "expected a number, a text or a list of these"),
        ("contains = [{a = 1}]", "expected a number, a text or a list of these"),
    ],
)
def test_what_json_lacks_is_refused_where_a_family_takes_lists(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        read(tmp_path, f"[[grid]]\nfamily = 'ngram'\nsamplers = ['base']\n[grid.parameters]\nhorizon = 3\n{text}")


def test_a_list_in_a_list_is_one_value(tmp_path):
    cells = read(
        tmp_path,
        "[[grid]]\nfamily = 'ngram'\nsamplers = ['base']\n[grid.parameters]\nhorizon = 3\ncontains = [['a', 'b'], 'c']",
    )
    assert [cell.parameters for cell in cells] == [
        '{"contains": ["a", "b"], "horizon": 3}', '{"contains": "c", "horizon": 3}'
    ]  # fmt: skip


@pytest.mark.parametrize(
    "spec", ["luck", "importance", "importance:n=x", "importance:n=0", f"importance:n={'9' * 5000}"]
)
def test_a_wrong_sampler_is_refused_before_anything_runs(tmp_path, spec):
    with pytest.raises(SpecError):
        read(tmp_path, f"[[grid]]\nfamily = 'product'\nsamplers = ['base', '{spec}']\n[grid.parameters]\nhorizon = 2")


def test_too_many_cells_are_refused_with_their_number(tmp_path):
    seeds = ", ".join(map(str, range(1000)))
    text = f"seeds = [{seeds}]\n[grid.parameters]\nhorizon = [{seeds}]\nratio = [{seeds}]"
    with pytest.raises(SweepError, match="has 1,000,000,000 cells, expected at most 1,000,000"):
        read(tmp_path, HEAD + text)


def test_the_cells_of_all_tables_count(tmp_path, monkeypatch):
    monkeypatch.setattr(grids, "MOST_CELLS", 3)
    table = with_parameters("horizon = [2, 3]")
    assert len(read(tmp_path, table)) == 2
    with pytest.raises(SweepError, match="has 4 cells"):
        read(tmp_path, table + table)


@pytest.mark.parametrize("name", ["none.toml", ".", "x" * 300])
def test_what_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(SweepError, match=r"does not exist|is a folder|cannot be read"):
        read_grid(tmp_path / name)


def test_a_grid_too_large_to_be_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(grids, "LARGEST_GRID", 100)
    with pytest.raises(SweepError, match="has 101 bytes, expected a grid of at most 100"):
        read(tmp_path, "#" * 101)


def test_each_cell_comes_once(tmp_path):
    table = with_parameters("horizon = [2, 3, 2]\nratio = [1.5, 2]")
    cells = read(tmp_path, table + table)
    assert len(cells) == len({cell.key for cell in cells}) == 4


@pytest.mark.parametrize(
    "change",
    [{"family": "uniform"}, {"parameters": '{"horizon": 3}'}, {"seed": 1}, {"sampler": "beam:width=2"}, {"runs": 21},
     {"width": 1e-3}, {"budget": 1e9}, {"outcomes": "8,64"}, {"code": "1"}, {"version": "0"}],
)  # fmt: skip
def test_whatever_decides_a_result_is_in_the_key(change):
    cell = {"family": "product", "parameters": '{"horizon": 2}', "seed": 0, "sampler": "base", "runs": 20}
    assert Cell(**cell).key != Cell(**{**cell, **change}).key
    same = {"code", "version"} >= set(change)
    assert (Cell(**cell).identity == Cell(**{**cell, **change}).identity) == same


def test_width_budget_runs_and_outcomes_are_read(tmp_path):
    asked = "runs = 100\nwidth = 1e-3\nbudget = 1000\noutcomes = [8, 64]\n"
    (cell,) = read(tmp_path, HEAD + asked + "[grid.parameters]\nhorizon = 2")
    assert (cell.runs, cell.width, cell.budget, cell.votes) == (100, 1e-3, 1000.0, (8, 64))
    assert read(tmp_path, with_parameters("horizon = 2"))[0].votes == (8,)


def test_a_text_that_is_edited_gives_other_cells(tmp_path):
    text = tmp_path / "text.txt"
    table = f"[[grid]]\nfamily = 'ngram'\nsamplers = ['base']\n[grid.parameters]\nhorizon = 3\ntext = '{text}'"
    keys = set()
    for content in ("abc", "abd", "abd"):
        text.write_text(content)
        keys.add(read(tmp_path, table)[0].key)
    assert len(keys) == 2


def test_cells_of_treesims_own_code_are_known_by_its_version_alone(tmp_path):
    assert {cell.code for cell in read(tmp_path, with_parameters("horizon = 2"))} == {""}
    for name in FAMILIES:
        assert grids.digest([FAMILIES[name]]) == "", name
    for name in SAMPLERS:
        assert grids.digest([SAMPLERS[name]]) == "", name


def test_a_family_of_ones_own_counts_as_code(tmp_path):
    def mine(horizon: int, seed: int = 0) -> Instance:
        return family("uniform", horizon=horizon)

    FAMILIES["mine"] = mine
    try:
        (cell,) = read(tmp_path, "[[grid]]\nfamily = 'mine'\nsamplers = ['base']\n[grid.parameters]\nhorizon = 2")
    finally:
        del FAMILIES["mine"]
    assert cell.code


def test_any_other_keyword_is_left_to_a_family_that_takes_all(tmp_path):
    FAMILIES["mine"] = lambda **settings: family("uniform", horizon=2)
    try:
        (cell,) = read(tmp_path, "[[grid]]\nfamily = 'mine'\nsamplers = ['base']\n[grid.parameters]\nluck = 2")
    finally:
        del FAMILIES["mine"]
    assert cell.parameters == '{"luck": 2}'


def test_a_sampler_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(TreesimError, match="expected a class"):
        register_sampler("mine")(lambda: None)
