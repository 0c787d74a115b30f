"""Build the CUDA add-on pack: python -m installer.cuda_pack --index URL --cuda 13.0 --out DIR.

It takes torch of the locked version and what that needs of NVIDIA from an index of wheels, such as
https://download.pytorch.org/whl/cu130, and lists every file with its sha256. The folder that
appears, DIR/cuda, is what `inference.packs` finds: copy it to packs/ beside the program or in the
user's data folder. Run it with the Python version and on the system of the program.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

from inference.packs import SITE, Manifest, python_now

ROOT = Path(__file__).parents[1]
OF_CUDA = re.compile(r"(nvidia|cuda)[-_a-z0-9]*", re.IGNORECASE)
LEFT_OUT = (
    "torch/test",
    "torch/include",
    "torch/share",
    "torch/bin",
)  # for building, as in the spec
KEPT = "torch/bin/torch_shm_manager"


def build(out: Path, cuda: tuple[int, int], options: list[str]) -> Path:
    """Fill out/cuda; `options` tell pip where the wheels are. Returns the folder."""
    folder = out / "cuda"
    site = folder / SITE
    shutil.rmtree(folder, ignore_errors=True)
    site.mkdir(parents=True)
    version = locked("torch")
    _install(site, [f"torch=={version}"], options)
    if needs := nvidia_requirements(site):
        _install(site, needs, options)
    _leave_out(site)
    files = {path.relative_to(site).as_posix(): _measured(path)
             for path in sorted(site.rglob("*")) if path.is_file()}  # fmt: skip
    Manifest(version, cuda, python_now(), sysconfig.get_platform(), files).write(folder)
    return folder


def locked(name: str) -> str:
    """The version of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


def nvidia_requirements(site: Path) -> list[str]:
    """What the torch that was installed there pins of NVIDIA; the rest is in the program."""
    torch = next(found for found in distributions(path=[str(site)]) if found.name == "torch")
    return [required.partition(";")[0].strip() for required in torch.requires or ()
            if OF_CUDA.match(required)]  # fmt: skip


def _install(site: Path, requirements: list[str], options: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    subprocess.run(
        [*command, "--only-binary=:all:", "--target", str(site), *options, *requirements],
        check=True,
    )


def _leave_out(site: Path) -> None:
    for path in [path for name in LEFT_OUT for path in (site / name).rglob("*")]:
        if path.is_file() and path != site / KEPT:
            path.unlink()


def _measured(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, prog="cuda_pack")
    parser.add_argument("--index", help="where pip finds the wheels", required=True)
    parser.add_argument("--cuda", help="the CUDA of the wheels, such as 13.0", required=True)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    major, minor = map(int, wanted.cuda.split("."))
    folder = build(wanted.out, (major, minor), ["--index-url", wanted.index])
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
