"""Run the adapters' tests against libraries that do not fit into one environment.

    python tests/treesim/adapters/libraries.py particles
    python tests/treesim/adapters/libraries.py torch --torch torch==2.13.0
    python tests/treesim/adapters/libraries.py transformers --torch torch==2.13.0

makes an environment in a temporary folder, or in --environment, installs this repository with the libraries, and runs
the tests there. With torch it is about 2 GB; give --torch what names a CPU build where you are.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "particles": [".[particles]"],
    "torch": [".[genlm-control,llamppl]"],
    "transformers": [".[transformers]"],
}
TESTS = {
    "particles": "test_particles.py",
    "torch": "test_torch_libraries.py",
    "transformers": "test_transformers.py",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=PACKAGES)
    parser.add_argument("--torch", default="torch", help="what pip is asked for first")
    parser.add_argument("--environment", type=Path, help="a folder to keep")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.environment or Path(temporary)
        venv.create(home, with_pip=True)
        python = home / "bin" / "python"
        first = [[options.torch]] if options.which != "particles" else []
        for packages in [*first, PACKAGES[options.which], ["pytest", "pytest-xdist", "hypothesis"]]:
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], cwd=ROOT, check=True)
        test = f"tests/treesim/adapters/{TESTS[options.which]}"
        # Of the tests' folder only this file is asked for: what else it needs is not installed here.
        return subprocess.run([python, "-m", "pytest", "-n", "0", "-rs", test], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
