"""Words that tell a patient are found where they stand, and nothing else is spoilt."""

from __future__ import annotations

from inference.names import names_of, without
from inference.series import Identity

LEE = names_of(Identity(patient_name="Lee^Ann^van Dyk", patient_id="MRN-7"))


def test_names_are_found_in_any_case_and_short_ones_only_alone() -> None:
    assert without("sleep of LEE, mrn-7, dyk_2.png", LEE) == "sleep of …, …, …_2.png"
    assert without("Annual CT", LEE) == "Annual CT"
    assert without("preWINTERGREENpost", ["Wintergreen"]) == "pre…post"


def test_without_names_a_text_stays() -> None:
    assert without("Chest (CT)", names_of(Identity())) == "Chest (CT)"
    assert without("a.b", ["a.b.c", "x"]) == "a.b"
    assert without("c:\\lee (1)", ["c:\\lee (1)"]) == "…"
