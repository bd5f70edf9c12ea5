"""What an installation gives: one package, typed, that knows its families and starts without heavy imports."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

import treesim

SCRIPT = """
from treesim import Instance, TV, family, sampler
from treesim.hard_instances import certificate
from treesim.testing import check_sampler

instance: Instance = family("hidden-prefix", horizon=9, seed=1)
tv: TV = sampler("sp-gsmc").law(instance).tv(instance.target)
bound: float = certificate(instance).queries
word: str = tv.kind
{planted}
"""


# Nothing is kept: each run has a folder of its own.
OPTIONS = ("--strict", "--follow-imports=silent", f"--cache-dir={os.devnull}")


def python(*arguments, cwd=None):
    """Run a fresh interpreter, somewhere else perhaps."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd)


def test_only_one_name_enters_site_packages():
    places = {file.parts[0] for file in files("treesim")}
    assert {place for place in places if not place.startswith((".", "treesim", "_treesim"))} == set()


def test_a_foreign_folder_called_cli_does_no_harm(tmp_path):
    for name in ("cli", "hard_instances"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the wrong one')")
    done = python("-m", "treesim", "generate", "--list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "hidden-prefix" in done.stdout


def test_import_treesim_alone_knows_every_family(tmp_path):
    done = python("-c", "import treesim; print(treesim.family('hidden-prefix', horizon=9).graph.horizon)", cwd=tmp_path)
    assert done.stdout == "9\n", done.stderr


@pytest.mark.parametrize("module", ["treesim", "treesim.testing.plugin", "treesim.cli.main"])
def test_nothing_heavy_is_imported_before_it_is_needed(module, tmp_path):
    code = f"import sys, {module}; print([m for m in ('numpy', 'numba', 'networkx', 'matplotlib') if m in sys.modules])"
    assert python("-c", code, cwd=tmp_path).stdout == "[]\n"


def test_users_who_check_types_strictly_can(tmp_path):
    pytest.importorskip("mypy", reason="mypy is in the extra treesim[dev]")
    if len(treesim.__path__) > 1:
        # mypy follows no `__path__`: a checkout is laid out as a wheel would install it.
        package, checkout = map(Path, treesim.__path__)
        shutil.copytree(package, tmp_path / "treesim")
        for name in ("cli", "hard_instances"):
            shutil.copytree(checkout / name, tmp_path / "treesim" / name)
    for file, planted in (("right.py", ""), ("wrong.py", "wrong: int = tv.kind")):
        (tmp_path / file).write_text(SCRIPT.format(planted=planted))
    done = python("-m", "mypy", *OPTIONS, "right.py", "wrong.py", cwd=tmp_path)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(lines) == 1 and lines[0].startswith("wrong.py:"), done.stdout


AUDIT = """
import sys
from numba import njit
from treesim import family

def loaded():
    return [name for name in ("networkx", "scipy.linalg", "numba.np.arraymath") if name in sys.modules]

family("product", horizon=3).audit
print(loaded())
njit(lambda x: x + 1)(1)
print(loaded())

from numba.np import arraymath, linalg
print(arraymath._HAVE_BLAS, linalg.ensure_blas.__module__)
linalg.ensure_blas()
print("scipy.linalg" in sys.modules)
"""


def test_an_audit_loads_no_graphs_and_of_numba_only_what_runs_while_linear_algebra_is_there_where_it_is_needed():
    assert treesim.family("product", horizon=3).audit  # its machine code is on disk then
    done = python("-c", AUDIT)
    assert done.stdout.splitlines() == ["[]", "['numba.np.arraymath']", "True numba.np.linalg", "True"], done.stderr
