"""Models that were fine-tuned on this computer, and which version of a network is in force.

They lie in the user's data folder, `models/<task>/<network>/<version>.safetensors`, each with its
card `<version>.json`, which is written last: a model without a card is none. `chosen.json` names
the version in force; without it, or if that version is gone, the bundled one is. Every file is
replaced as a whole, so that a computer that loses its power keeps what it had.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from inference import logs
from inference.durable import replacing
from inference.errors import UserError
from inference.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from inference.weights import WeightsInfo

CHOSEN = "chosen.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model that was fine-tuned; scores are 0 to 1 on cases set aside."""

    version: str
    sha256: str
    parent: str  # a version
    parent_sha256: str
    made: str  # date and time, UTC
    learned_from: int  # cases
    measure: str  # what the scores are
    before: tuple[float, ...]  # of the parent, one for each case set aside
    after: tuple[float, ...]
    seconds: float = 0.0

    @property
    def summary(self) -> str:
        """One sentence for whoever chooses a model."""
        count, aside = self.learned_from, len(self.after)
        return (
            f"Version {self.parent}, fine-tuned on {count} corrected case{'s' * (count != 1)} of "
            f"this computer and checked on {aside} set aside; elsewhere not checked."
        )


def in_force(bundled: WeightsInfo) -> WeightsInfo:
    """The version of a network that is used: the chosen one, else the bundled one."""
    wanted = _chosen(bundled)
    return next((one for one in versions(bundled) if one.version == wanted), bundled)


def versions(bundled: WeightsInfo) -> list[WeightsInfo]:
    """Every version of a network, the bundled one first, then in the order in which they arose."""
    return [bundled, *(_info(bundled, card) for card in cards(bundled))]


def cards(bundled: WeightsInfo) -> list[Card]:
    """Of the versions that were made here, in the order in which they arose."""
    found = [_card(path) for path in folder(bundled).glob("*.json") if path.name != CHOSEN]
    return sorted((card for card in found if card), key=lambda card: _number(card.version))


def choose(bundled: WeightsInfo, version: str) -> None:
    """Put a version in force, from the next run on; raises UserError."""
    if version not in [one.version for one in versions(bundled)]:
        raise UserError(f"There is no version {version} of this model any more: choose another.")
    _write(folder(bundled) / CHOSEN, {"version": version})


def add(bundled: WeightsInfo, state: Mapping[str, torch.Tensor], card: Card) -> WeightsInfo:
    """Keep a fine-tuned state as float16 beside the others, not in force; raises UserError.

    The card gets its version and digest here.
    """
    from safetensors.torch import save

    from inference.weights import narrow

    number = 1 + max((_number(one.version) for one in cards(bundled)), default=0)
    version = f"{bundled.version}+{number}"
    content = save({key: narrow(tensor) for key, tensor in state.items()})
    whole = replace(card, version=version, sha256=hashlib.sha256(content).hexdigest())
    path = _path(bundled, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(content)
    _write(path.with_suffix(".json"), asdict(whole))
    return _info(bundled, whole)


def remove(bundled: WeightsInfo, version: str) -> None:
    """Delete a version that was made here; the bundled one takes over if it was in force."""
    path = _path(bundled, version)
    path.with_suffix(".json").unlink(missing_ok=True)  # the card first: without it there is none
    path.unlink(missing_ok=True)


def folder(bundled: WeightsInfo) -> Path:
    """Where the versions of a network lie."""
    return data_folder() / "models" / bundled.plugin / bundled.name


def _path(bundled: WeightsInfo, version: str) -> Path:
    return folder(bundled) / f"{version}.safetensors"


def _info(bundled: WeightsInfo, card: Card) -> WeightsInfo:
    details = {**bundled.details, "version": card.version, "parent": card.parent}
    return replace(
        bundled, path=_path(bundled, card.version), sha256=card.sha256, version=card.version,
        summary=card.summary, details=details,
    )  # fmt: skip


def _number(version: str) -> int:
    """Which of the versions made here it is."""
    digits = version.rpartition("+")[2]
    return int(digits) if digits.isdigit() else 0


def _card(path: Path) -> Card | None:
    """None for a file that is damaged, or that has lost its model."""
    try:
        values = json.loads(path.read_text("utf-8"))
        scores = {name: tuple(map(float, values[name])) for name in ("before", "after")}
        card = Card(**{**values, **scores})
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("the card of a model could not be read: %s", logs.stack(error))
        return None
    return card if path.with_name(f"{card.version}.safetensors").is_file() else None


def _chosen(bundled: WeightsInfo) -> str:
    path = folder(bundled) / CHOSEN
    try:
        return str(json.loads(path.read_text("utf-8"))["version"]) if path.exists() else ""
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("the choice of a model could not be read: %s", logs.stack(error))
        return ""


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=1), "utf-8")
