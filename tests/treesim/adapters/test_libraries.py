"""Libraries that treesim does not know: registered, or offered by the packages that are installed."""

import random
import re
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from treesim import SpecError, family
from treesim.adapters import LIBRARIES, Library, library, pick, register_library, seeded
from treesim.registry import Registry

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/hooking-up-a-library.md").read_text(encoding="utf-8")
INSTANCE = family("uniform", horizon=3, seed=0)
ADAPTER = """
SAYS = "it draws from pi_ref"

class Walk:
    def simulate(self, oracle, rng):
        prefix = oracle.root
        while prefix.level < oracle.horizon:
            prefix = oracle.draw(prefix)
        return prefix

ALGORITHMS = {"walk": Walk}
"""


class Nothing:
    def simulate(self, oracle, rng):
        return None


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test registers or offers is gone after it."""
    monkeypatch.setattr(LIBRARIES, "_known", dict(LIBRARIES._known))
    monkeypatch.setattr(LIBRARIES, "_offers", None)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package that offers an adapter."""

    def install(source, value="walks_adapter"):
        info = tmp_path / "walks-3.1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: walks\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(f"[treesim.libraries]\nwalks = {value}\n")
        (tmp_path / "walks_adapter.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "walks_adapter", raising=False)

    yield install
    sys.modules.pop("walks_adapter", None)


def test_an_installed_package_offers_its_adapter(package):
    package(ADAPTER)
    assert "walks" in LIBRARIES
    offered = library("walks")
    assert (offered.title, offered.says, list(offered.algorithms)) == ("walks 3.1", "it draws from pi_ref", ["walk"])
    assert (offered.sampler().simulate(INSTANCE, 5, seed=0).leaf >= 0).all()


def test_it_may_offer_a_library_of_its_own_making(package):
    theirs = "Library('walks', 'walks_adapter', 'much', 'pip install walks')"
    package(f"{ADAPTER}\nfrom treesim.adapters import Library\nTHEM = {theirs}\n", "walks_adapter:THEM")
    assert library("walks").says == "much"
    assert list(library("walks").algorithms) == ["walk"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import a_library_that_is_not_there", "'walks' of walks .* cannot be loaded: ModuleNotFoundError"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("", "has no ALGORITHMS, expected a dictionary of classes by name"),
    ],
)
def test_an_adapter_that_does_not_load_is_one_sentence(package, source, message):
    package(source)
    with pytest.raises(SpecError, match=message):
        library("walks")


@pytest.mark.parametrize("algorithms", ["{}", "[1]"])
def test_an_adapter_without_algorithms_is_one_sentence(package, algorithms):
    package(f"ALGORITHMS = {algorithms}")
    with pytest.raises(SpecError, match=r"the algorithms of walks are .*, expected classes by name"):
        library("walks").sampler()


def test_the_command_line_lists_and_audits_it(package, run_in):
    package(ADAPTER)
    assert "walks 3.1: walk" in run_in("audit", "--list").stdout
    arguments = ["audit", "walks", "--runs", 300, "--plot", "a.svg"]
    assert "Verdict: it draws from the law 'pi_ref, untilted'" in run_in(*arguments).stdout
    assert run_in(*arguments, "--expect", "pi_ref, untilted").stderr == ""
    for extra in ([], ["--json"]):
        result = run_in(*arguments, "--expect", "target", *extra, code=1)
        assert result.stderr == "the verdict is 'pi_ref, untilted', expected 'target'\n"
        assert "pi_ref, untilted" in result.stdout
    assert (
        "expect is 'luck', expected one of: 'argmax of the reward'"
        in run_in(*arguments, "--expect", "luck", code=2).stderr
    )


def test_a_broken_offer_does_not_hide_the_others(package, run_in):
    package("1 / 0")
    text = run_in("audit", "--list").stdout
    assert "walks: 'walks' of walks (walks_adapter) cannot be loaded: ZeroDivisionError" in text
    assert "its-hub" in text
    assert "treesim: base" in text


@pytest.fixture
def run_in(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from treesim.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run


def test_a_registered_library_is_known_until_another_takes_its_name():
    made = register_library("mine", {"nothing": Nothing}, "nothing")
    assert library("mine") is made
    assert made.title == "mine"
    assert isinstance(made, Library)
    assert (made.sampler("nothing").simulate(INSTANCE, 3, seed=0).leaf == -1).all()
    with pytest.raises(SpecError, match=r"there is no adapter for 'yours', expected one of: its-hub, .*mine"):
        library("yours")
    with pytest.raises(SpecError, match="unknown algorithm of mine 'else', expected one of: nothing"):
        made.sampler("else")
    with pytest.raises(SpecError, match=r"no method simulate\(oracle, rng\)"):
        register_library("mine", {"odd": int})
    assert library("mine") is made


def test_built_in_ones_need_no_entry_point():
    assert isinstance(LIBRARIES, Registry)
    assert list(LIBRARIES)[:4] == ["its-hub", "particles", "genlm-control", "llamppl"]


def test_seeded_gives_the_same_numbers_and_gives_back_what_was_there():
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    drawn = []
    for _ in range(2):
        with seeded(np.random.default_rng(5)):
            drawn.append((random.random(), np.random.rand()))
    assert drawn[0] == drawn[1]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    with pytest.raises(ZeroDivisionError), seeded(np.random.default_rng(5)):
        raise ZeroDivisionError
    assert random.getstate() == before[0]


def test_seeded_lets_one_thread_in_at_a_time():
    inside, most = [], []

    def work(seed):
        for _ in range(20):
            with seeded(np.random.default_rng(seed)):
                inside.append(seed)
                most.append(len(inside))
                time.sleep(1e-4)
                inside.remove(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_pick_draws_in_proportion():
    rng = np.random.default_rng(0)
    drawn = [pick(np.log([1.0, 3.0]) + 5000.0, rng) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.04)
    assert pick([-np.inf], rng) is None


def test_the_recipe_of_the_page_is_what_the_command_line_takes(run_in):
    (workflow,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (command,) = re.findall(r"- run: treesim (.*)", workflow)
    code = "".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2])
    Path("adapter.py").write_text(code)
    arguments = command.replace("--runs 1000", "--runs 300").replace("--sizes 16,64", "--sizes 32").split()
    assert "Verdict: it draws from the target" in run_in("--import", "adapter.py", *arguments).stdout
    wrong = [each.replace("by-ratio", "by-value") for each in arguments]
    assert run_in("--import", "adapter.py", *wrong, code=1).stderr.startswith("the verdict is 'pi_ref prod_t V_t")
    assert Path("law.png").read_bytes().startswith(b"\x89PNG")
    assert len(code.split("```")[0].splitlines()) > 30


def test_the_first_algorithm_is_the_default():
    assert library("its-hub").sampler().name == next(iter(library("its-hub").algorithms)) == "particle-filtering"
    assert library("its-hub").sampler("best-of-n:particles=3").name == "best-of-n"
