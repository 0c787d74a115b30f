"""What the user chose: one typed object in one file of the user's configuration folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Literal

from psygnal import Signal
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from inference import logs
from inference.resources import config_folder
from inference.servers import Cluster, Server

log = logging.getLogger(__name__)

RECENT_LIMIT = 12


def _number(value: object) -> object:
    """In the environment everything is text."""
    return int(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """Every value with its default."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    theme: Literal["dark", "light", "contrast"] = "dark"
    text_size: Annotated[Literal[100, 125, 150, 200], BeforeValidator(_number)] = 100  # percent
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    shortcuts: dict[str, str] = Field(default_factory=dict)  # action id: keys, where changed
    remember_recent: bool = True
    recent: tuple[Path, ...] = ()
    hide_patient_names: bool = False
    geometry: str = ""  # of the window: base64 of QMainWindow.saveGeometry
    docks: str = ""  # base64 of QMainWindow.saveState
    welcomed: bool = False  # the card of the first start was hidden, or the tour was taken
    lock_finished: bool = True  # an object, once the next one is begun by clicks
    preview_clicks: bool = True  # what a click would bring, where that is quick
    export_folder: Path | None = None  # where the user exported last
    scheduler: str = ""  # of a cluster that runs what is slow here: tcp://… or tls://…
    scheduler_ca: str = ""  # certificates for tls://, PEM files
    scheduler_certificate: str = ""
    scheduler_key: str = ""
    scheduler_resource: str = ""  # only workers that state it, such as GPU
    servers: tuple[Server, ...] = ()  # archives to browse; their passwords are in the keyring
    server: str = ""  # the name of the one that was asked last
    export_formats: tuple[str, ...] = ("nifti", "png", "csv")  # ids in inference.object_files

    @property
    def cluster(self) -> Cluster | None:
        """The cluster, if one is named."""
        if not self.scheduler:
            return None
        files = self.scheduler_ca, self.scheduler_certificate, self.scheduler_key
        return Cluster(self.scheduler, *files, self.scheduler_resource)


class _Environment(BaseSettings, Settings):
    """A variable LIMN_<NAME> of the environment gives a default."""

    model_config = SettingsConfigDict(env_prefix="LIMN_", frozen=True, extra="ignore")


class SettingsFile:
    """The settings in force; every change is saved at once and announced."""

    changed = Signal(Settings, Settings)  # new, old
    failed = Signal(str)  # a sentence: they could not be saved

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or config_folder() / "settings.json"
        self.problem = ""  # a sentence: they could not be read
        self._unsaved = False
        self.now = self._load()

    def change(self, **values: object) -> None:
        """Set some values, save, and tell who listens; raises ValidationError."""
        old = self.now
        self.now = Settings.model_validate(old.model_dump() | values)
        if self.now != old:
            self._save()
            self.changed.emit(self.now, old)

    def remember(self, path: Path) -> None:
        """Put a path first in the list of recent ones, unless the user wants none kept."""
        if self.now.remember_recent:
            others = tuple(kept for kept in self.now.recent if kept != path)
            self.change(recent=(path, *others)[:RECENT_LIMIT])

    def _load(self) -> Settings:
        defaults = self._defaults()
        try:
            return Settings.model_validate(defaults.model_dump() | _read(self.path))
        except (OSError, ValueError, RecursionError) as error:
            log.warning("settings could not be read: %s", logs.stack(error))
            self.problem = f"The settings in {self.path} could not be read, so defaults are used."
            return defaults

    def _defaults(self) -> Settings:
        """Those of the environment, if it makes sense."""
        try:
            return Settings(**dict(_Environment()))
        except ValueError as error:
            log.warning("the environment makes no sense: %s", logs.stack(error))
            self.problem = (
                f"{_variables(error)} in the environment has a value that Limn does not know, so "
                "no setting is taken from there."
            )
            return Settings()

    def _to_keep(self) -> str:
        """As JSON; while names of patients are hidden without places, which may bear them."""
        hidden = {name for name, value in self.now if self.now.hide_patient_names and _place(value)}
        return self.now.model_dump_json(indent=1, exclude=hidden)

    def _save(self) -> None:
        """Told once: what cannot be written now cannot be at the next change either."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(".new")
            draft.write_text(self._to_keep(), encoding="utf-8")
            draft.replace(self.path)
        except OSError as error:
            log.warning("settings could not be saved: %s", logs.stack(error))
            if not self._unsaved:
                self._unsaved = True
                self.failed.emit(
                    f"The settings cannot be saved to {self.path}: they hold until you close Limn."
                )


def _place(value: object) -> bool:
    """Whether a setting names files or folders."""
    values = value if isinstance(value, tuple) else (value,)
    return any(isinstance(part, Path) for part in values)


def _variables(error: ValueError) -> str:
    """Which of the environment's variables are wrong, as far as that is known."""
    wrong = error.errors() if isinstance(error, ValidationError) else []
    return ", ".join(f"LIMN_{found['loc'][0]}".upper() for found in wrong) or "LIMN_…"


def _read(path: Path) -> dict[str, object]:
    """What was saved, {} if nothing was; raises OSError, ValueError."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return TypeAdapter(dict[str, object]).validate_python(found)
