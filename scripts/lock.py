"""Write requirements.lock: every version, direct or not, that pyproject.toml resolves to today."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEADER = "# Exact versions of everything, written by `make lock` from pyproject.toml.\n"
OF_CUDA_TORCH = re.compile(r"(cuda|nvidia(?!-ml-py)|triton)\b")  # torch itself pins these


def resolve() -> list[dict[str, Any]]:
    """What pip would install into an empty environment; nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--quiet", "--report", "-", ".", "--group", "dev"]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [item["metadata"] for item in json.loads(answer.stdout)["install"]]


def lines(found: list[dict[str, Any]]) -> list[str]:
    """One `name==version` a package, sorted, without torch's build label ("+cpu")."""
    names = {canonical(item["name"]): item["version"].partition("+")[0] for item in found}
    return [f"{n}=={v}\n" for n, v in sorted(names.items()) if not is_left_out(n)]


def canonical(name: str) -> str:
    """The one spelling of a package's name, as packaging.utils.canonicalize_name defines it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_left_out(name: str) -> bool:
    """The application itself, and what only the CUDA build of torch needs."""
    return name == "limn" or OF_CUDA_TORCH.match(name) is not None


if __name__ == "__main__":
    (ROOT / "requirements.lock").write_text(HEADER + "".join(lines(resolve())))
