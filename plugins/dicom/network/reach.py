"""Whether a server can be reached at all, and what to say if not."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inference.errors import UserError

if TYPE_CHECKING:
    from inference.servers import Server

CONNECT = 8.0  # seconds: a server that is there accepts within a few


def address(server: Server) -> tuple[str, int]:
    """Host and port."""
    if server.kind == "dicom":
        return server.host, server.port
    parts = urlsplit(server.url)
    try:
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return parts.hostname or "", 0


def patience(server: Server) -> float:
    """Seconds that connecting may take."""
    return min(server.seconds, CONNECT)


def tls(server: Server) -> ssl.SSLContext:
    """How to check who the server is, and to show who we are; raises UserError."""
    context = ssl.create_default_context()
    try:
        if server.ca_file:
            context = ssl.create_default_context(cafile=server.ca_file)
        if server.certificate:
            # a key with a passphrase is refused: the terminal, where it would be asked, is not ours
            context.load_cert_chain(server.certificate, server.key or None, password="")
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"The certificates given for {server.name} cannot be read: choose PEM files, the key "
            "without a passphrase."
        ) from error
    return context


def require(server: Server) -> None:
    """Raise UserError if a setting without which nothing can be asked is missing or wrong."""
    host, port = address(server)
    if server.kind == "web" and not server.url.startswith(("http://", "https://")):
        raise UserError(f"The address of {server.name} must begin with https:// or http://.")
    if not host or not 0 < port < 65536:
        raise UserError(f"{server.name} has no host, or no port from 1 to 65535: edit the server.")
    if server.kind == "dicom" and not (
        _is_title(server.ae_title) and _is_title(server.own_ae_title)
    ):
        raise UserError(
            f"{server.name} needs two AE titles, its own and ours, of 1 to 16 plain characters: "
            "edit the server."
        )


def why_not(server: Server) -> UserError:
    """Connect only to see what fails, after something did."""
    host, port = address(server)
    try:
        with socket.create_connection((host, port), patience(server)) as raw:
            if server.encrypted:
                _shake_hands(server, raw, host)
    except OSError as error:
        return UserError(_sentence(server, error))
    except UserError as error:
        return error
    return UserError(
        f"{server.name} accepts connections at {host}:{port}, but gives no answer within "
        f"{server.seconds:g} s, or breaks off: check the port, and whether it wants TLS."
    )


def _is_title(text: str) -> bool:
    return 0 < len(text.strip()) <= 16 and text.isascii() and text.isprintable()


def _shake_hands(server: Server, raw: socket.socket, host: str) -> None:
    with tls(server).wrap_socket(raw, server_hostname=host) as secure:
        secure.settimeout(1.0)
        try:
            secure.recv(1)  # a server that wants our certificate says so only now
        except TimeoutError:
            return


def _sentence(server: Server, error: OSError) -> str:
    name, (host, port) = server.name, address(server)
    if isinstance(error, socket.gaierror):
        return f"The host {host} of {name} is not known: check its name and the network."
    if isinstance(error, ConnectionRefusedError):
        return f"{name} refuses connections at {host}:{port}: check the port, and whether it runs."
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {name} is not to be trusted ({error.verify_message}): choose the "
            "file of the authority (CA) that signed it, if you know that it is right."
        )
    if isinstance(error, ssl.SSLError) and "CERTIFICATE" in (error.reason or "").upper():
        return f"{name} asks for a certificate of ours that it knows: choose one in its settings."
    if isinstance(error, ssl.SSLError):
        return f"{name} does not speak TLS at {host}:{port}: check the port."
    if isinstance(error, TimeoutError):
        return f"{name} does not answer at {host}:{port}: check the address and the network."
    return f"{name} cannot be reached at {host}:{port} ({error.strerror or 'broken off'})."
