"""Private elements that tell nobody who the patient is: PS3.15 E.3.10."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.dicom.header import items, text

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.tag import BaseTag

# creator and group: the last two digits of tags that hold PET scale factors, diffusion weighting
# or the movement of the table, without which the pixels cannot be measured
KNOWN: dict[tuple[str, int], frozenset[int]] = {
    ("Philips PET Private Group", 0x7053): frozenset((0x00, 0x09)),
    ("ELSCINT1", 0x01F1): frozenset((0x07, 0x26, 0x27)),
    ("GEMS_ACQU_01", 0x0019): frozenset((0x23, 0x24, 0x27)),
    ("GEMS_PARM_01", 0x0043): frozenset((0x27, 0x39)),
    ("SIEMENS MR HEADER", 0x0019): frozenset((0x0C, 0x0E, 0x27)),
    ("Philips Imaging DD 001", 0x2001): frozenset((0x03,)),
    ("Philips MR Imaging DD 001", 0x2005): frozenset((0xB0, 0xB1, 0xB2)),
}
NUMBERS = frozenset(("DS", "IS", "FL", "FD", "SS", "US", "SL", "UL"))
ANY = frozenset(range(256))


def safe_private(dataset: Dataset) -> frozenset[BaseTag]:
    """Tags of the private elements that may stay, with those of their blocks' creators.

    Of the known ones only numbers; of those that the file declares safe, anything but sequences.
    """
    declared = _declared(dataset)
    found: set[BaseTag] = set()
    for tag in filter(_is_value, dataset.keys()):
        creator = dataset.get((tag.group, tag.element >> 8))
        if creator is None:
            continue
        block, low = (str(creator.value).strip(), tag.group), tag.element & 0xFF
        kind = str(dataset[tag].VR)
        known = low in KNOWN.get(block, ()) and kind in NUMBERS
        if known or (low in declared.get(block, ()) and kind not in ("SQ", "UI", "PN")):
            found |= {tag, creator.tag}
    return frozenset(found)


def _is_value(tag: BaseTag) -> bool:
    """Whether it is private, and not the name of who defined it."""
    return tag.is_private and tag.element > 0xFF


def _declared(dataset: Dataset) -> dict[tuple[str, int], frozenset[int]]:
    """What the file itself says of its private blocks, in the form of `KNOWN`."""
    found: dict[tuple[str, int], frozenset[int]] = {}
    for block in items(dataset, "PrivateDataElementCharacteristicsSequence"):
        where = text(block, "PrivateCreatorReference"), int(block.PrivateGroupReference)
        listed = block.get("NonidentifyingPrivateElements") or ()
        values = [listed] if isinstance(listed, int) else listed
        safe = text(block, "BlockIdentifyingInformationStatus") == "SAFE"
        found[where] = ANY if safe else frozenset(int(value) & 0xFF for value in values)
    return found
