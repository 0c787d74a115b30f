"""Run the benchmarks here: all, each in a process of its own, or the one that is named."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def run_all() -> int:
    """How many benchmarks failed."""
    found = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    commands = [[sys.executable, "-m", "tests.benchmarks", name] for name in found]
    return sum(subprocess.run(command).returncode != 0 for command in commands)


def run_one(name: str) -> None:
    """From here, not as a main module of its own: that a worker would import too."""
    import_module(f"tests.benchmarks.{name}").main()


if __name__ == "__main__":
    if sys.argv[1:]:
        run_one(sys.argv[1])
    else:
        sys.exit(run_all())
