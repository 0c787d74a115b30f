"""Our own end of a C-MOVE: listens only while one runs, and takes only what was asked for."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt

from inference.errors import UserError
from plugins.dicom.network.association import impatient
from plugins.dicom.network.beginning import overhearing
from plugins.dicom.network.inbox import Stranger
from plugins.dicom.network.reach import address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynetdicom.events import Event

    from inference.servers import Server
    from plugins.dicom.network.inbox import Inbox

SUCCESS, NO_ROOM, NOT_ASKED = 0x0000, 0xA700, 0x0124


def keep(event: Event, inbox: Inbox) -> int:
    """Put one received file into the inbox; the status that its sender is told."""
    try:
        inbox.take(event.encoded_dataset())
    except Stranger:
        return NOT_ASKED
    except UserError:
        return NO_ROOM
    return SUCCESS


@contextmanager
def listening(server: Server, inbox: Inbox) -> Iterator[None]:
    """Accept files from this server, by its AE title, while inside; raises UserError."""
    entity = AE(ae_title=server.own_ae_title.strip())
    entity.require_calling_aet = [server.ae_title.strip()]
    entity.require_called_aet = True
    entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = server.seconds
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax or "", list(ALL_TRANSFER_SYNTAXES))
    try:
        running = entity.start_server(
            (_our_side(server), server.receive_port),
            block=False,
            ssl_context=_secure(server),
            evt_handlers=[
                *impatient(server),
                (evt.EVT_C_STORE, keep, [inbox]),
                (evt.EVT_REJECTED, _note, [inbox]),
                *overhearing(inbox.beginning),
            ],
        )
    except OSError as error:
        raise UserError(
            f"The port {server.receive_port}, on which {server.name} is to send, cannot be opened "
            f"({error.strerror}): another transfer or program has it. Wait for it, or choose "
            "another in the server's settings."
        ) from error
    try:
        yield
    finally:
        inbox.close()
        if running is not None:
            running.shutdown()


def _note(event: Event, inbox: Inbox) -> None:
    """Remember who was not let in: some archives send under another title than they answer to."""
    title = "".join(filter(str.isprintable, event.assoc.requestor.ae_title.strip()))
    inbox.sent_away.add(title)


def _our_side(server: Server) -> str:
    """The address of this computer that faces the server: no other network can connect."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address(server))  # of a datagram: nothing is sent
        except OSError as error:
            raise UserError(
                f"There is no way to {server.name} from this computer: check the network."
            ) from error
        return str(probe.getsockname()[0])


def _secure(server: Server) -> ssl.SSLContext | None:
    """Encrypted where the server is and we have a certificate to show."""
    if not (server.tls and server.certificate):
        return None
    context = _Later(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key or None, password="")
    return context


class _Later(ssl.SSLContext):
    """Shakes hands in the thread of each connection: a mute one must not keep others waiting."""

    def wrap_socket(self, sock: socket.socket, *_: Any, **__: Any) -> ssl.SSLSocket:
        """On our side of the connection."""
        return super().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
