"""The vessels of one open document: what the model gave, what the user set and marked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from gui.ai_result import AiResult
from gui.history import Step
from gui.project import Kept
from gui.segment_object import SegmentObject, named
from inference.errors import UserError
from plugins.retinal_vessels.export import COLOR
from plugins.retinal_vessels.task import NAME
from plugins.retinal_vessels.threshold import VESSEL, vessels
from plugins.retinal_vessels.zones import REACH, Disc, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gui.document import Document
    from gui.learning_section import Taught
    from inference.series import Array
    from plugins.retinal_vessels.quantities import Measurement
    from plugins.retinal_vessels.task import Measured
    from plugins.retinal_vessels.zones import Kind, Vessel

OBJECT = "Vessels"
VESSELS = (SegmentObject(VESSEL, OBJECT, COLOR),)
NEXT: dict[Kind | None, Kind | None] = {None: "artery", "artery": "vein", "vein": None}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user set; every change is a step of the document's history."""

    threshold: float = 0.5
    smallest: int = 0  # px
    disc: Disc | None = None
    marks: tuple[Mark, ...] = ()


class VesselWork:
    """Keeps a document's vessels; the document's history takes back whatever is changed here."""

    choices_changed = Signal()
    measured = Signal()

    def __init__(self, document: Document) -> None:
        self.document = document
        self.choices = Choices()
        self.found: dict[str, Any] = {}  # what the model gave, but for labels and probability
        self.field_of_view: Array | None = None
        self.rows: tuple[Measurement, ...] = ()
        self.vessels: tuple[Vessel, ...] = ()

    @property
    def object_id(self) -> int:
        """The label of the vessels, 0 if there is no such object."""
        item = named(self.document.objects.values(), OBJECT)
        return item.id if item else 0

    @property
    def settings(self) -> dict[str, Any]:
        """The task's settings as they stand, but for the model."""
        return {"threshold": self.choices.threshold, "smallest": self.choices.smallest}

    @property
    def mask(self) -> Array:
        """The corrected vessels, bool (y, x)."""
        found: Array = self.document.labels == (self.object_id or 256)
        return found

    @property
    def warning(self) -> str:
        """What to doubt about the result."""
        return self.found.get("warning") or ""

    @property
    def model(self) -> str:
        """The name of the model that found the vessels, "" before."""
        return str(self.found.get("model", {}).get("name", ""))

    def accept(self, result: Mapping[str, Any], seconds: float = 0.0) -> AiResult:
        """Keep what the model said; the labels that are to be delivered to the document."""
        kept = ("field_of_view", "warning", "model", "device")
        self.found = {name: result[name] for name in kept} | {"seconds": seconds}
        self.field_of_view = result["field_of_view"]
        title = f"Find vessels ({self.model})"
        return AiResult(result["labels"], VESSELS, title, result["probability"])

    def set_threshold(self, threshold: float, smallest: int) -> None:
        """Cut the kept probability anew; all moves of the sliders in a row are one step."""
        probability = self.document.probability
        if probability is None:
            return
        with self.document.history.group("Threshold", "vessel threshold"):
            self._choose(replace(self.choices, threshold=threshold, smallest=smallest), "")
            found = vessels(probability, threshold, smallest)
            self.document.set_ai_result(found, VESSELS, "")

    def lesson(self) -> Taught:
        """The photograph and its vessels, to learn from; raises UserError if there are none."""
        if not self.mask.any():
            raise UserError("There are no vessels to learn from: find or draw them first.")
        return {"image": self.document.image, "vessels": self.mask}, {}

    def kept(self) -> Kept | None:
        """What the user set and the model said, for the project."""
        if self.choices == Choices() and not self.found:
            return None
        seen = {} if self.field_of_view is None else {"field_of_view": self.field_of_view}
        found = {name: value for name, value in self.found.items() if name != "field_of_view"}
        return Kept({"choices": asdict(self.choices), "found": found}, seen)

    def restore(self, kept: Kept) -> None:
        """Go on with it; UserError, KeyError, TypeError or ValueError if it makes no sense."""
        chosen, seen = kept.values["choices"], kept.arrays.get("field_of_view")
        if seen is not None and seen.shape != self.document.shape:
            raise ValueError("a field of view of another image")
        self.choices = Choices(
            float(chosen["threshold"]),
            int(chosen["smallest"]),
            Disc(**chosen["disc"]) if chosen["disc"] else None,
            tuple(Mark(**mark) for mark in chosen["marks"]),
        )
        self.field_of_view = None if seen is None else seen.astype(bool)
        self.found = dict(kept.values["found"])
        if self.found:
            self.found["field_of_view"] = self.field_of_view
        self.choices_changed.emit()
        self.outdate()

    def take_measurements(self, measured: Measured) -> None:
        """Show these measurements from now on."""
        self.rows, self.vessels = measured.rows, measured.vessels
        self.field_of_view = measured.field_of_view
        self._publish(measured.rows)
        self.measured.emit()

    def forget_measurements(self) -> None:
        """There are no vessels to measure or to export."""
        self.rows, self.vessels = (), ()
        self.document.results.pop(NAME, None)
        self.measured.emit()

    def outdate(self) -> None:
        """The vessels have changed, so that the measurements no longer hold."""
        if self.object_id:
            self._publish(None)

    def set_disc(self, disc: Disc) -> None:
        """Where the optic disc is."""
        self._choose(replace(self.choices, disc=disc), "Mark disc")

    def clear_marks(self) -> None:
        """Forget disc, arteries and veins."""
        self._choose(replace(self.choices, disc=None, marks=()), "Clear marks")

    def cycle(self, y: float, x: float) -> None:
        """Say artery, vein or neither of the vessel at a place, px."""
        near = [v for v in self.vessels if np.hypot(*(v.points - (y, x)).T).min() <= REACH]
        number = near[0].mark if near else None
        marks = list(self.choices.marks)
        kind = NEXT[marks.pop(number).kind if number is not None else None]
        if kind is not None:
            marks.append(Mark(y, x, kind))
        self._choose(replace(self.choices, marks=tuple(marks)), f"Mark {kind or 'as neither'}")

    def _publish(self, rows: tuple[Measurement, ...] | None) -> None:
        """Leave with the document what an export writes, as `export.write` expects it."""
        choices, document = self.choices, self.document
        settings = {**self.settings, "model": self.model} if self.found else {}
        document.results[NAME] = self.found | {
            "names": {VESSEL: OBJECT},
            "labels": document.labels,
            "probability": document.probability,
            "field_of_view": self.field_of_view,
            "settings": settings,
            "measurements": rows,
            "disc": choices.disc,
            "marks": choices.marks,
        }

    def _choose(self, after: Choices, title: str) -> None:
        put = partial(self._put, self.choices), partial(self._put, after)
        self.document.history.run(Step(title, *put, nbytes=500))

    def _put(self, choices: Choices) -> None:
        self.choices = choices
        self.choices_changed.emit()
