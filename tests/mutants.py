"""Planted bugs: does a test notice each of them?

    python tests/mutants.py [--only TEXT] [--store FILE] [--again] [--trust] [--folder FOLDER]

Each line of mutants.tsv is a small change: the file, what stands there, what stands there instead, and the tests that
should fail. The checkout is copied to a temporary folder and changed there, one bug at a time. Results are kept in the
store as they come, so the run can be interrupted and goes on where it was. Not in the normal suite: it takes hours.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).with_name("mutants.tsv")
LONGEST = 900  # seconds; a bug that makes a test hang is caught


class Mutant(NamedTuple):
    """A planted bug: `old` stands exactly once in `file`; `new` takes its place; `tests` should notice."""

    file: str
    old: str
    new: str
    tests: str

    @property
    def key(self) -> str:
        """Changes with the bug, the file it is planted in, and the tests."""
        parts = [*self, (ROOT / self.file).read_text(encoding="utf-8")]
        for place in self.tests.split():
            files = sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place.split("::")[0]]
            parts += [file.read_text(encoding="utf-8") for file in files]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read() -> list[Mutant]:
    """The planted bugs; ``\\n`` in the list is a line break."""
    with LIST.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    return [Mutant(*(text.replace("\\n", "\n") for text in row)) for row in rows]


def copy_to(folder: Path) -> None:
    """The files that git tracks, or would."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether all its tests pass with the bug planted."""
    file = folder / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.file} has {text.count(mutant.old)} places with {mutant.old!r}, expected one")
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return passes(mutant.tests, folder)
    finally:
        file.write_text(text, encoding="utf-8")


def passes(tests: str, folder: Path) -> bool:
    """Whether tests pass in the copy as it is."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["NUMBA_CACHE_DIR"] = str(folder / "numba")
    # As in CI, which tries all random examples.
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not long or slow"]
    command = [sys.executable, "-m", "pytest", *options, *tests.split()]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"{tests} cannot be run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.returncode == 0


def main() -> int:
    """Run the planted bugs that have no result yet; exit code 1 if one survives."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="bugs whose file contains this text")
    options.add_argument("--store", type=Path, default=ROOT / ".mutants.json")
    options.add_argument("--again", action="store_true", help="those that survived before")
    options.add_argument("--trust", action="store_true", help="that the tests pass without any planted bug")
    options.add_argument("--folder", type=Path, help="where the checkout is copied, and kept with what is compiled")
    given = options.parse_args()
    known = json.loads(given.store.read_text()) if given.store.exists() else {}
    chosen = [mutant for mutant in read() if given.only in mutant.file]
    with tempfile.TemporaryDirectory(prefix="mutants") as name:
        folder = given.folder or Path(name)
        copy_to(folder)
        sound: set[str] = set()
        for i, mutant in enumerate(chosen, start=1):
            if mutant.key not in known or (given.again and known[mutant.key]):
                # Tests that fail without the bug say nothing of it; and what they compile is there for all.
                if not given.trust and mutant.tests not in sound:
                    if not passes(mutant.tests, folder):
                        raise SystemExit(f"{mutant.tests} fail without any planted bug")
                    sound.add(mutant.tests)
                known[mutant.key] = survives(mutant, folder)
                given.store.write_text(json.dumps(known))
            word = "SURVIVED" if known[mutant.key] else "caught"
            print(f"{i}/{len(chosen)} {word:8} {mutant.file}: {mutant.old!r} -> {mutant.new!r}", flush=True)
    left = [mutant for mutant in chosen if known[mutant.key]]
    print(f"{len(chosen) - len(left)} of {len(chosen)} caught ({1 - len(left) / max(1, len(chosen)):.1%})")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
