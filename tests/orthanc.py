"""A real archive for tests: Orthanc on free ports of this computer, with an empty storage."""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import requests

from inference.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
USER, PASSWORD = "doctor", "rosebud"
START = 30.0  # seconds


@dataclass(frozen=True)
class Orthanc:
    """A running archive; `certificates`, if it has TLS, is the folder with all of them."""

    http_port: int
    dicom_port: int
    receive_port: int
    certificates: Path | None = None
    https_port: int = 0

    def dicom(self, **changes: Any) -> Server:
        """How to reach it over DICOM."""
        settings = {
            "name": "Archive", "host": "localhost", "port": self.dicom_port,
            "ae_title": "ORTHANC", "receive_port": self.receive_port, "seconds": 5.0,
        }  # fmt: skip
        if self.certificates:
            folder = self.certificates
            settings |= {"tls": True, "ca_file": str(folder / "ca.pem"),
                         "certificate": str(folder / "ours.pem")}  # fmt: skip
        return Server(**settings | changes)

    def web(self, **changes: Any) -> Server:
        """How to reach it over DICOMweb."""
        settings = {"name": "Archive", "kind": "web", "seconds": 5.0}
        settings["url"] = f"{self._url}/dicom-web"
        if self.certificates:
            settings |= {"user": USER, "ca_file": str(self.certificates / "ca.pem")}
            settings["url"] = f"https://localhost:{self.https_port}/dicom-web"
        return Server(**settings | changes)

    def rest(self, path: str) -> Any:
        """What its own interface, not DICOM, says."""
        return self._get(path).json()

    def forget(self) -> None:
        """Remove every study."""
        for study in self.rest("/studies"):
            requests.delete(f"{self._url}/studies/{study}", **self._options).raise_for_status()

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + START
        while True:
            try:
                self._get("/system").raise_for_status()
            except requests.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return

    def _get(self, path: str) -> requests.Response:
        return requests.get(f"{self._url}{path}", **self._options)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def _options(self) -> dict[str, Any]:
        return {"timeout": 10, "auth": (USER, PASSWORD) if self.certificates else None}


@contextmanager
def encrypted(port: int, certificates: Path, *, mutual: bool = False) -> Iterator[int]:
    """TLS in front of a port of this computer, as hospitals have it before web servers; its port.

    Debian's Orthanc crashes in its own HTTPS. `mutual`: it wants a certificate of ours.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "theirs.pem")
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.pem")

    class Front(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection(("127.0.0.1", port)) as inside,
            ):
                Thread(target=_pump, args=(inside, outside), daemon=True).start()
                _pump(outside, inside)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Front) as front:
        front.daemon_threads = True
        Thread(target=front.serve_forever, daemon=True).start()
        yield front.server_address[1]
        front.shutdown()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def failing(port: int, after: int, *, silently: bool) -> Iterator[int]:
    """In front of a port of this computer: stops after so many bytes of its answers; its port."""

    class Front(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inside:
                Thread(target=_pump, args=(self.request, inside), daemon=True).start()
                left = after
                while left > 0 and (piece := inside.recv(min(left, 1 << 14))):
                    self.request.sendall(piece)
                    left -= len(piece)
                if silently:
                    ended.wait(START)

    ended = Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Front) as front:
        front.daemon_threads = True
        Thread(target=front.serve_forever, daemon=True).start()
        yield front.server_address[1]
        ended.set()
        front.shutdown()


@contextmanager
def running(folder: Path, *, secure: bool = False) -> Iterator[Orthanc]:
    """Start it, with TLS and a password if wanted; it ends with the block."""
    archive = Orthanc(*free_ports(3), certificates=_certificates(folder) if secure else None)
    settings = _settings(folder, archive) | (_secure(archive.certificates) if secure else {})
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, str(file)], stdout=log, stderr=log)
    try:
        with ExitStack() as stack:
            archive.wait()
            if archive.certificates:
                port = stack.enter_context(encrypted(archive.http_port, archive.certificates))
                archive = replace(archive, https_port=port)
            yield archive
    finally:
        process.kill()  # an orderly end takes seconds
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this computer on which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _settings(folder: Path, archive: Orthanc) -> dict[str, Any]:
    return {
        "Name": "Archive",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": archive.http_port,
        "DicomPort": archive.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomCheckModalityHost": False,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowGet": False,
        "DicomModalities": {
            "limn": _modality(archive, "LIMN"),
            "mover": _modality(archive, "MOVER") | {"AllowGet": False},
        },
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [PLUGIN],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "ConcurrentJobs": 1,
    }


def _modality(archive: Orthanc, title: str) -> dict[str, Any]:
    """What the archive knows of us under this AE title."""
    return {
        "AET": title,
        "Host": "127.0.0.1",
        "Port": archive.receive_port,
        "UseDicomTls": archive.certificates is not None,
    }


def _certificates(folder: Path) -> Path:
    """An authority of our own, the archive's certificate and one for us."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, host in (("theirs", "localhost"), ("ours", "workstation.example")):
        issued = authority.issue_cert(host)
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    return folder


def _secure(folder: Path) -> dict[str, Any]:
    return {
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(folder / "theirs.pem"),
        "DicomTlsPrivateKey": str(folder / "theirs.key"),
        "DicomTlsTrustedCertificates": str(folder / "ca.pem"),
    }
