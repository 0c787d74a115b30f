"""Words that tell who a patient is, and texts without them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inference.series import Identity

SHORTEST, ANYWHERE = 3, 6  # letters of a word that counts; of one that counts within others
PARTS = re.compile(r"[\^=,;\s]+")


def names_of(identity: Identity) -> set[str]:
    """Each name of a patient, and the number."""
    return {*PARTS.split(identity.patient_name), identity.patient_id} - {""}


def pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of these words, the longest first; None if none is long enough to tell."""
    long = {word.casefold() for word in words if len(word) >= SHORTEST}
    parts = [_part(word) for word in sorted(long, key=len, reverse=True)]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def without(text: str, words: Iterable[str], instead: str = "…") -> str:
    """A text in which none of these words can be read."""
    lower = text.casefold()
    found = pattern(word for word in words if word.casefold() in lower)  # of thousands a few
    return found.sub(instead, text) if found else text


def _part(word: str) -> str:
    """Short words only where they stand alone: "Lee" is not in "sleep"."""
    plain = re.escape(word)
    return plain if len(word) >= ANYWHERE else rf"(?<![^\W_]){plain}(?![^\W_])"
