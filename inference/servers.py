"""How to reach what is on other computers: archives of images, and a cluster that computes."""

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


@dataclass(frozen=True, slots=True)
class Cluster:
    """A scheduler, such as "tcp://host:8786", or "tls://…" with our certificates (PEM).

    Each case takes one of the resource, such as "GPU", that workers state; "" for any worker.
    """

    address: str
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    resource: str = ""

    @property
    def resources(self) -> dict[str, float] | None:
        """As dask takes them."""
        return {self.resource: 1} if self.resource else None
