"""The scripted user that makes the pictures of the documentation finds every part where it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conftest import ROOT

from scripts.tour.__main__ import Tour

if TYPE_CHECKING:
    from pathlib import Path

    from gui.window import LimnWindow


def test_the_tour_opens_draws_and_exports(window: LimnWindow, tmp_path: Path) -> None:
    tour = Tour(window, tmp_path)
    tour.start()
    tour.open_samples()
    tour.look_at_each()
    tour.document.add_object("Vessel")
    tour.paint()
    tour.export()
    assert [path.name for path in (tmp_path / "results").glob("*.json")]
    assert {"start", "volume", "run", "image", "exported"} <= {
        path.stem.partition("_")[2] for path in tmp_path.glob("*.png")
    }


def test_every_picture_of_the_documentation_is_taken_by_the_tour() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8")
    taken = set(re.search(r"for name in ([\w ]+);", recipe)[1].split())  # type: ignore[index]
    assert {path.stem for path in (ROOT / "docs" / "images").iterdir()} == taken
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"images/(\w+)\.png", page.read_text())}
    assert shown <= taken
