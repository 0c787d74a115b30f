"""Run every benchmark here, each in a process of its own, or only those named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(wanted: list[str]) -> int:
    """How many benchmarks failed."""
    found = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    commands = [[sys.executable, "-m", f"tests.benchmarks.{name}"] for name in wanted or found]
    return sum(subprocess.run(command).returncode != 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
