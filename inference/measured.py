"""What was measured in an image, under coded names: what a task hands over for a report.

A task gives `Findings` (see `inference.tasks.Task.findings`): its objects, and a `Measured` for
each thing that it measured. The window and the command line turn these into a structured report
of DICOM (TID 1500), and whatever else is made from them, without knowing the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.writing import Algorithm, Segment


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept as DICOM has it; `scheme` SCT (SNOMED CT), DCM, UCUM, or 99LIMN for ours."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number; `unit` is a UCUM code, such as "mm", "ml", "[hnsf'U]", "%", "um", "1"."""

    name: Code
    value: float
    unit: str
    derivation: Code | None = None  # MEAN, STANDARD_DEVIATION …
    method: Code | None = None  # whose definition it follows
    ends: tuple[tuple[float, ...], ...] = ()  # of a length: voxels of `Series.canonical()`


@dataclass(frozen=True, slots=True)
class Measured:
    """A thing that was measured, such as a node, or the vessels of a zone of the retina."""

    name: str  # what the user calls it: "Node 3", "Zone B"
    quantities: tuple[Quantity, ...]
    finding: Code | None = None  # what it is
    site: Code | None = None  # where it lies, such as the station of a node
    side: Code | None = None  # LEFT or RIGHT
    label: int = 0  # its value in the label map, 0: it is no object, but the image as a whole
    place: tuple[float, ...] | None = None  # voxel of `Series.canonical()` it is measured at
    algorithm: Algorithm | None = None  # None: measured what was drawn by hand
    tracking_uid: str = ""  # of this very thing at all times and in all files; "": a new one


@dataclass(frozen=True, slots=True)
class Findings:
    """What a task found: what each label stands for, and what was measured."""

    segments: tuple[Segment, ...] = ()
    measured: tuple[Measured, ...] = ()


SHORT_AXIS = Code("103340004", "SCT", "Short axis")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
VOLUME = Code("118565006", "SCT", "Volume")
AREA = Code("42798000", "SCT", "Area")
ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
MR_SIGNAL = Code("110852", "DCM", "MR signal intensity")
GREY_VALUE = Code("GREY_VALUE", "99LIMN", "Grey value")
VOXELS = Code("VOXELS", "99LIMN", "Number of voxels")
CONFIDENCE = Code("CONFIDENCE", "99LIMN", "Confidence of the model")

MEAN = Code("373098007", "SCT", "Mean")
STANDARD_DEVIATION = Code("386136009", "SCT", "Standard Deviation")

LYMPH_NODE = Code("59441001", "SCT", "Lymph node")
BLOOD_VESSEL = Code("59820001", "SCT", "Blood vessel")
RETINA = Code("5665001", "SCT", "Retina")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")

HOUNSFIELD = "[hnsf'U]"

STATIONS = {
    "1": Code("127926002", "SCT", "highest mediastinal lymph node"),
    "2": Code("127927006", "SCT", "upper paratracheal lymph node (mediastinal)"),
    "3": Code("127930004", "SCT", "prevascular/retrotracheal lymph node"),
    "4": Code("127932007", "SCT", "lower paratracheal (including azygous) lymph node"),
    "5": Code("127938006", "SCT", "lymph node of aortopulmonary window"),
    "6": Code("127939003", "SCT", "para-aortic lymph node of the anterior mediastinum"),
    "7": Code("28330007", "SCT", "subcarinal lymph node"),
    "8": Code("127940001", "SCT", "paraesophageal lymph node below carina"),
    "9": Code("127941002", "SCT", "lymph node of the pulmonary ligament"),
    "10": Code("53074004", "SCT", "hilar lymph node"),
    "11": Code("127919002", "SCT", "interlobar lymph node of the lung"),
    "12": Code("127920008", "SCT", "lobar lymph node of the lung"),
    "13": Code("127921007", "SCT", "segmental lymph node of the lung"),
    "14": Code("127922000", "SCT", "subsegmental lymph node of the lung"),
}
"""Of the thorax, by the numbers of the IASLC map; codes of CID 7600 of DICOM."""


def level(modality: str, unit: str) -> tuple[Code, str]:
    """What the values of an image are called, and their UCUM unit."""
    if unit == "HU":
        return ATTENUATION, HOUNSFIELD
    return (MR_SIGNAL if modality == "MR" else GREY_VALUE), "1"


def row(thing: Measured) -> dict[str, Any]:
    """A line of a table: what it is, and every quantity under its name and unit."""
    found: dict[str, Any] = {"label": thing.label, "name": thing.name}
    for quantity in thing.quantities:
        how = quantity.derivation
        name = quantity.name.meaning if how is None else f"{how.meaning} {quantity.name.meaning}"
        found[f"{name} ({quantity.unit})"] = float(f"{quantity.value:.6g}")
    return found
