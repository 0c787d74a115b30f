"""Limn's entry: the window with the paths given, or a command (`python app.py --help`)."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

COMMANDS = (
    "tasks",
    "info",
    "run",
    "batch",
    "deidentify",
    "audit",
    "check",
    "support",
    "--version",
    "--help",
)


def main(arguments: list[str]) -> int:
    """The exit code: 0 all well, 1 something failed, 2 wrong usage."""
    if arguments and arguments[0] in COMMANDS:
        from inference.commands import run_command

        return run_command(arguments)
    from gui.start import main as open_window

    wanted = _parser().parse_args(arguments)
    return open_window(wanted.paths, wanted.screenshot)


def _parser() -> argparse.ArgumentParser:
    """What the window takes; ends the program with 2 for anything else."""
    parser = argparse.ArgumentParser("limn", add_help=False)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("--screenshot", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    multiprocessing.freeze_support()  # a frozen worker starts here and never comes back
    sys.exit(main(sys.argv[1:]))
