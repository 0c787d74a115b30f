"""Which labels make what a user wants: structures alone, and structures that go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.click_segmentation.samples import tissue
from plugins.click_segmentation.samples.volumes import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOGETHER = {
    "lung_left": ("lung_upper_lobe_left", "lung_lower_lobe_left"),
    "lung_right": ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right"),
    "lung_left_whole": ("lung_left_upper", "lung_left_middle", "lung_left_lower"),
    "lung_right_whole": ("lung_right_upper", "lung_right_middle", "lung_right_lower"),
    "heart_and_great_vessels": ("heart", "atrial_appendage", "pulmonary_vein"),
    "spine": ("vertebrae",),
    "ribs": ("rib_",),
    "bones": ("vertebrae", "rib_", "sternum", "scapula", "clavicula", "humerus", "sacrum", "hip"),
    "back_muscles": ("autochthon",),
    "vertebra_and_cord": ("vertebrae_T", "spinal_cord"),
    "bowel": ("small_bowel", "duodenum"),
    "kidneys": ("kidney_left", "kidney_right"),
    "brachiocephalic_veins": ("brachiocephalic_vein", "superior_vena_cava"),
}
HIDDEN = ("_lobe_", "_third", "atrial_appendage")  # their borders are seldom seen
PROMINENT = ("liver", "spleen", "kidney", "heart", "aorta", "stomach", "gallbladder", "pancreas",
             "lung_left", "lung_right", "urinary_bladder", "colon", "esophagus", "trachea",
             "spinal_cord", "vena_cava")  # fmt: skip


def targets(table: Mapping[str, int], present: Iterable[int]) -> tuple[Target, ...]:
    """What a volume offers, heavier the more often users outline it."""
    seen = set(present)
    found = [Target(n, (v,), _weight(n)) for n, v in table.items() if v in seen]
    for name, parts in TOGETHER.items():
        values = tuple(v for n, v in table.items() if v in seen and n.startswith(parts))
        if len(values) > 1:
            found.append(Target(name, values, _weight(name)))
    return tuple(found + _of_tissues(seen))


def _weight(name: str) -> float:
    if any(part in name for part in HIDDEN):
        return 0.25
    if name.startswith(PROMINENT):
        return 3.0
    return 0.4 if name.startswith(("rib_", "vertebrae_")) else 1.0


def _of_tissues(seen: set[int]) -> list[Target]:
    values = tuple(sorted(seen - {0}))
    lungs = (("lung_left", tissue.LUNG_LEFT), ("lung_right", tissue.LUNG_RIGHT))
    found = [Target(name, (value,), 3.0) for name, value in lungs if value in seen]
    if tissue.BONE in seen:
        found.append(Target("bone", (tissue.BONE,), 0.5))
    if tissue.GAS in seen:
        found.append(Target("gas", (tissue.GAS,), 0.3))
    return [*found, Target("body", values, 0.5)] if values else found
