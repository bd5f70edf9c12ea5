"""Files of users: they run once, in every process that needs them, and what is edited is seen."""

import sys
from functools import partial, wraps
from types import ModuleType

import pytest

from treesim import SpecError
from treesim.runtime import user_code
from treesim.runtime.user_code import UserFile, digest, load, loaded, run_file


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch):
    monkeypatch.setattr(user_code, "_files", {})
    monkeypatch.setattr(user_code, "_helpers", {})


COUNT = "import tests_seen; tests_seen.SEEN.append({!r})\n"


@pytest.fixture
def seen(monkeypatch):
    """What files that a test runs have put down."""
    module = ModuleType("tests_seen")
    module.SEEN = []
    monkeypatch.setitem(sys.modules, "tests_seen", module)
    return module.SEEN


def test_a_file_runs_under_its_own_name(tmp_path, seen):
    path = tmp_path / "mine.py"
    path.write_text("import tests_seen, sys\ntests_seen.SEEN.append((__name__, __file__, __name__ in sys.modules))")
    run_file(path)
    assert seen == [("treesim_import", str(path), True)]
    assert "treesim_import" not in sys.modules
    assert loaded() == (UserFile(str(path), path.read_bytes()),)


def test_a_version_runs_once(seen):
    one, two = UserFile("mine.py", COUNT.format(1).encode()), UserFile("mine.py", COUNT.format(2).encode())
    for files in ((one,), (one,), (two,), (two,), (one,)):
        load(files)
    assert seen == [1, 2, 1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "mine.py cannot be imported: ZeroDivisionError: division by zero"),
        ("def", "mine.py cannot be imported: SyntaxError"),
        ("import sys; sys.exit(0)", r"mine.py cannot be imported: it ends the program by sys.exit\(0\)"),
        ("raise SystemExit", r"it ends the program by sys.exit\(None\)"),
        ("\0", "mine.py cannot be imported"),
    ],
)
def test_what_fails_is_one_sentence(tmp_path, source, message):
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(SpecError, match=message):
        run_file(path)
    assert loaded() == ()


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(SpecError, match="does not exist"):
        run_file(tmp_path / "none.py")
    with pytest.raises(SpecError, match="cannot be read"):
        run_file(tmp_path)


def test_the_codes_of_treesim_and_python_have_no_digest():
    from treesim import Tree
    from treesim.samplers import Importance

    assert digest([Importance, Tree.random, partial(Tree.random, 3), dict, len]) == ""


def module(tmp_path, name, source):
    path = tmp_path / f"{name}.py"
    path.write_text(source)
    names: dict = {}
    exec(compile(source, str(path), "exec"), names)
    return names


def test_an_edited_file_has_another_digest(tmp_path):
    source = "class A:\n    def simulate(self): return {}\n"
    first = digest([module(tmp_path, "a", source.format(1))["A"]])
    assert first and digest([module(tmp_path, "b", source.format(1))["A"]]) == first
    assert digest([module(tmp_path, "a", source.format(2))["A"]]) != first


def test_an_edit_is_seen_where_another_file_holds_the_text_it_had_or_gets(tmp_path):
    source = "class A:\n    def simulate(self): return {}\n"
    for name, number in (("x", 1), ("y", 2)):
        (tmp_path / f"{name}.py").write_text(source.format(number))
        run_file(tmp_path / f"{name}.py")
    digests = []
    for number in (1, 2):
        kind = module(tmp_path, "a", source.format(number))["A"]
        run_file(tmp_path / "a.py")
        digests.append(digest([kind]))
    assert digests[0] != digests[1]


def test_a_function_beside_the_class_counts(tmp_path):
    source = "def helper(): return {}\nclass A:\n    def simulate(self): return helper()\n"
    digests = {digest([module(tmp_path, "a", source.format(n))["A"]]) for n in (1, 2)}
    assert len(digests) == 2


def test_a_base_class_counts(tmp_path):
    digests = set()
    for n in (1, 2):
        base = module(tmp_path, "base", f"class Base:\n    def simulate(self): return {n}\n")["Base"]
        digests.add(digest([type("A", (base,), {})]))
    assert len(digests) == 2


@pytest.mark.parametrize("number", [(1, 1), (1, 2)])
def test_code_without_a_file_is_told_by_what_it_does(number):
    def kind(n):
        names: dict = {}
        exec(f"class A:\n    def simulate(self): return [x + {n} for x in ()]\n", names)
        return names["A"]

    assert (digest([kind(number[0])]) == digest([kind(number[1])])) == (number[0] == number[1])


def test_what_a_function_closes_over_counts(tmp_path):
    """As families that are made from a user's function by one of treesim's."""
    inner = module(tmp_path, "a", "def plant(): return 1")["plant"]
    outer = module(tmp_path, "b", "def make(plant):\n    def build(): return plant()\n    return build")["make"]
    assert digest([outer(inner)]) != digest([outer(len)])

    @wraps(inner)
    def wrapped():
        return None

    assert digest([wrapped, partial(inner)]) != digest([len])


def test_files_that_were_run_count_with_what_they_import(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = set()
    for helper in ("X = 1", "X = 2"):
        (tmp_path / "a_helper_of_mine.py").write_text(helper)
        (tmp_path / "mine.py").write_text("import a_helper_of_mine, json\n")
        sys.modules.pop("a_helper_of_mine", None)
        run_file(tmp_path / "mine.py")
        digests.add(digest([module(tmp_path, "a", "def f(): return 1")["f"]]))
        assert [path.rsplit("/")[-1] for path in user_code._helpers] == ["a_helper_of_mine.py"]
    sys.modules.pop("a_helper_of_mine", None)
    assert len(digests) == 2
