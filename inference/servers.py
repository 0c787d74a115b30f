"""How to reach the archives of images that the user has listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Server:
    """One archive: over DICOM (host, port, AE titles) or DICOMweb (url, user); no password here.

    Of the files (PEM), `ca_file` is trusted instead of the system's authorities; `certificate` and
    `key` are ours, for an archive that asks for them.
    """

    name: str
    kind: Literal["dicom", "web"] = "dicom"
    host: str = ""
    port: int = 104
    ae_title: str = ""
    own_ae_title: str = "LIMN"
    retrieve: Literal["auto", "get", "move"] = "auto"
    receive_port: int = 0  # where we listen while a C-MOVE runs; 0: never
    tls: bool = False
    url: str = ""
    user: str = ""
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    seconds: float = 20.0  # without a sign of life, after which it is given up

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.tls if self.kind == "dicom" else self.url.startswith("https://")
