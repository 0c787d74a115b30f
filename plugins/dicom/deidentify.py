"""Take out of one DICOM data set who the patient is: PS3.15 Annex E, with the chosen options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

from inference.version import VERSION
from plugins.dicom import profile
from plugins.dicom.header import text
from plugins.dicom.identity import Words, flat_values
from plugins.dicom.private import safe_private
from plugins.dicom.pseudonyms import Pseudonyms, moved, person_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom import DataElement

    from plugins.dicom.profile import Action

LONG_AGO = {"DA": "19000101", "TM": "000000", "DT": "19000101000000"}  # validators take these
PIXELS = 0x7FE0  # the group; its elements are looked at elsewhere


@dataclass(frozen=True, slots=True)
class Rules:
    """Which options, and whose pseudonyms."""

    chosen: frozenset[str]
    pseudonyms: Pseudonyms


@dataclass(slots=True)
class _Cleaning:
    """One file's: what is known of its patient."""

    rules: Rules
    person: str
    words: Words

    def clean(self, dataset: Dataset, blank: bool = False) -> None:
        """Treat every element in place; `blank`: no free text may stay."""
        kept = safe_private(dataset) if profile.PRIVATE in self.rules.chosen else frozenset()
        for tag in sorted(dataset.keys()):
            misplaced = tag.group in (0x0000, 0x0002) or tag.element == 0
            if misplaced or (tag.is_private and tag not in kept):
                del dataset[tag]
            elif not tag.is_private and tag.group != PIXELS:
                self._try(dataset, tag, blank)

    def _try(self, dataset: Dataset, tag: Any, blank: bool) -> None:
        """A value that cannot be understood cannot be trusted."""
        try:
            self._treat(dataset, dataset[tag], blank)
        except Exception:  # noqa: BLE001  pydicom converts on access and raises almost anything
            del dataset[tag]

    def _treat(self, dataset: Dataset, element: DataElement, blank: bool) -> None:
        action = profile.action(element, self.rules.chosen)
        if blank and element.VR in profile.TEXT and element.keyword not in profile.CODES:
            action = "dummy"
        if action == "remove":
            del dataset[element.tag]
        elif element.VR == "SQ":
            self._treat_items(element, action, blank)
        else:
            element.value = self._value(element, action)

    def _treat_items(self, element: DataElement, action: Action, blank: bool) -> None:
        if action == "empty":
            element.value = []
        for item in element.value:
            self.clean(item, blank or action == "dummy")

    def _value(self, element: DataElement, action: Action) -> Any:
        """What stands there from now on."""
        if action == "empty":
            return None
        if action == "dummy":
            return dummy(element, self.rules.pseudonyms)
        if action == "uid":
            return _each(element, self.rules.pseudonyms.uid)
        if action == "shift":
            return self._moved(element)
        return self._scrubbed(element, strict=action == "clean")

    def _moved(self, element: DataElement) -> Any:
        if element.VR == "TM":
            return element.value
        days = self.rules.pseudonyms.days(self.person)
        return _each(element, lambda value: moved(value, days))

    def _scrubbed(self, element: DataElement, *, strict: bool) -> Any:
        of_pixels = element.VR == "CS" and element.tag.group == 0x0028
        readable = element.VR in {*profile.TEXT, "CS", "PN", "AE"}
        if of_pixels or not readable or not element.value:
            return element.value
        return _each(element, lambda value: self.words.without(value, strict=strict))


def deidentify(dataset: Dataset, rules: Rules, *, masked: bool = False) -> None:
    """Change a data set with its file meta information in place; not its pixels."""
    person, sop_class = person_of(dataset), text(dataset, "SOPClassUID")
    syntax = dataset.file_meta.TransferSyntaxUID
    _Cleaning(rules, person, Words.of(dataset)).clean(dataset)
    pseudonym = rules.pseudonyms.patient(person)
    dataset.PatientName, dataset.PatientID = pseudonym, pseudonym
    _say_so(dataset, rules, masked)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(text(dataset, "SOPInstanceUID"))
    meta.TransferSyntaxUID = syntax
    meta.FileMetaInformationVersion = b"\0\1"
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = f"LIMN {VERSION}"
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128


def dummy(element: DataElement, pseudonyms: Pseudonyms) -> Any:
    """A value that fits the VR and tells nothing."""
    from dicomanonymizer.simpledicomanonymizer import replace_element

    if element.VR == "UI":
        return _each(element, pseudonyms.uid)
    if element.VR in LONG_AGO:
        return LONG_AGO[element.VR]
    replace_element(element)  # raises for kinds that have no such value; they are taken out
    return element.value


def _say_so(dataset: Dataset, rules: Rules, masked: bool) -> None:
    dataset.PatientIdentityRemoved = "YES"
    options = [option for option in profile.OPTIONS if option.name in rules.chosen]
    codes = [profile.BASIC, *((option.code, option.meaning) for option in options)]
    codes += [profile.CLEAN_PIXELS] if masked else []
    dataset.DeidentificationMethod = [f"Limn {VERSION}", "PS3.15 E.1 2026c"]
    dataset.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    shifted = profile.DATES in rules.chosen
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if shifted else "REMOVED"
    if masked:
        dataset.BurnedInAnnotation = "NO"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _each(element: DataElement, change: Callable[[str], str]) -> Any:
    """Every value of an element, changed; one stays one."""
    values = [change(value) for value in flat_values(element)]
    return values[0] if len(values) == 1 else values
