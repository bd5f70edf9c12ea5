"""The house: wings in the order in which data flows, and what a file may look like.

docs/architecture.md has the picture.
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 400

# From the ground up: a wing may import those on lower lines only.
FLOORS = (
    ("errors", "arrays", "_version"),
    ("kernels",),
    ("spec", "registry", "tables", "runtime"),
    ("notebook",),
    ("scaled",),
    ("graphs",),
    ("laws",),
    ("instances",),
    ("samplers", "decoding"),
    ("zoo",),
    ("empirical", "learning", "compiled"),
    ("theory", "testing", "adapters"),
    ("studies", "measure"),
    ("figures",),
    ("demos",),
    ("hard_instances",),
    ("cli",),
    ("__main__",),
)
FLOOR = {wing: number for number, wings in enumerate(FLOORS) for wing in wings}

FILES = sorted(file for package in ("treesim", "hard_instances", "cli") for file in (ROOT / package).rglob("*.py"))


def module(file: Path) -> str:
    """The name under which a file is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "treesim" else ("treesim", *parts)).removesuffix(".__init__")


def wing(name: str) -> str | None:
    """The wing of a module; None for `treesim` itself, whose names come from everywhere."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else None


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path) -> list[tuple[str, str | None]]:
    """Every import of ours in a file, in functions too: the module, and the name if there is one."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found += [(str(node.module), alias.name) for alias in node.names]
    return [(name, what) for name, what in found if name.split(".")[0] == "treesim"]


def home(name: str, what: str | None) -> str:
    """The module that `from name import what` loads."""
    if name != "treesim" or what is None:
        return name
    return PUBLIC.get(what, f"treesim.{what}")


# Where the names of `treesim` come from.
PUBLIC = {
    alias.name: f"treesim.{node.module}"
    for node in ast.walk(ast.parse((ROOT / "treesim/__init__.pyi").read_text(encoding="utf-8")))
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
}


def test_every_wing_has_its_floor():
    assert {wing(module(file)) for file in FILES} - {None} == set(FLOOR)


def test_a_file_imports_only_what_is_below_it():
    upward = [
        (module(file), target)
        for file, own in zip(FILES, map(wing, map(module, FILES)), strict=True)
        for name, what in imports(file)
        for target in [home(name, what)]
        if own is not None and wing(target) not in (own, None) and FLOOR[wing(target)] >= FLOOR[own]
    ]
    assert upward == []


def test_private_names_stay_in_their_module():
    borrowed = [
        (module(file), name, what)
        for file in FILES
        for name, what in imports(file)
        if what and what.startswith("_") and what != "__version__"
    ]
    assert borrowed == []


def test_a_file_is_short_enough_to_read():
    long = [module(file) for file in FILES if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST]
    assert long == []


def test_what_is_public_says_what_it_is():
    silent = []
    for file in FILES:
        tree = parsed(file)
        silent += [module(file)] if tree.body and not ast.get_docstring(tree) else []
        scopes = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
        silent += [
            (module(file), node.name)
            for body in scopes
            for node in body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            and not ast.get_docstring(node) and not inherits_its_docstring(node, tree)
        ]  # fmt: skip
    assert silent == []


def inherits_its_docstring(node: ast.AST, tree: ast.Module) -> bool:
    """Whether it is a method of a class with bases: their docstrings speak for it."""
    return any(
        isinstance(owner, ast.ClassDef) and owner.bases and node in owner.body for owner in ast.walk(tree)
    )  # fmt: skip


def test_the_rules_catch_what_they_forbid(tmp_path):
    """A planted import upward, in a function, is seen."""
    file = tmp_path / "planted.py"
    file.write_text(
        "def late():\n    from treesim.cli.main import main\n    from treesim import family\n    return main, family\n"
    )
    (name, what), (public, item) = imports(file)
    assert FLOOR[wing(home(name, what))] > FLOOR["graphs"]
    assert wing(home(public, item)) == "instances"
