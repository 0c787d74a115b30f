"""DICOM associations that begin in bounded time, or say in a sentence why they do not."""

from __future__ import annotations

import logging
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE, build_context, evt

from inference.errors import UserError
from plugins.dicom.network.reach import address, patience, require, tls, why_not

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.presentation import PresentationContext

    from inference.servers import Server

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
COMPRESSED = (
    JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless,
    JPEGLSNearLossless, JPEG2000Lossless, JPEG2000, HTJ2KLossless, RLELossless,
    DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian,
)  # fmt: skip
MOST_CONTEXTS = 128  # of one association
CALLED, CALLING = 7, 3  # reasons of a rejection

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it quotes queries and answers


def contexts_for(sop_classes: Iterable[str], room: int) -> list[PresentationContext]:
    """Each class in every form in which a file may be stored, so that none is converted."""
    classes = sorted(set(sop_classes))
    made = [build_context(uid, list(NATIVE)) for uid in classes]
    made += [build_context(uid, syntax) for syntax in COMPRESSED for uid in classes]
    return made[:room]


class Line:
    """Begins one association after the other with a server; another thread may break them off."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.broken_off = False
        self._association: Association | None = None

    @contextmanager
    def associated(
        self,
        contexts: Sequence[PresentationContext],
        roles: Sequence[Any] = (),
        handlers: Sequence[Any] = (),
    ) -> Iterator[Association]:
        """An association that offers these contexts; raises UserError."""
        require(self.server)
        association = self._association = self._begin(contexts, roles, handlers)
        try:
            if self.broken_off or not association.is_established:
                raise _refused(self.server, association)
            yield association
        finally:
            if association.is_established:
                association.release()

    def break_off(self) -> None:
        """End what runs and begin nothing more; returns at once."""
        self.broken_off = True
        if self._association is not None:
            self._association.abort(block=False)

    def lost(self) -> UserError:
        """What to say where the server stopped to answer."""
        return UserError(
            f"{self.server.name} stopped answering: nothing came for {self.server.seconds:g} s, "
            "or it broke off. Try again; what has arrived is kept."
        )

    def _begin(self, contexts: Any, roles: Any, handlers: Any) -> Association:
        server = self.server
        entity = AE(ae_title=server.own_ae_title.strip())
        entity.connection_timeout = patience(server)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = server.seconds
        host, port = address(server)
        secure = (tls(server), host) if server.tls else None
        try:
            return entity.associate(
                host, port, list(contexts), ae_title=server.ae_title.strip(), ext_neg=list(roles),
                tls_args=secure, evt_handlers=[*impatient(server), *handlers],
            )  # fmt: skip
        except OSError as error:  # of the host's name; what else fails shows in the association
            raise why_not(server) from error


def impatient(server: Server) -> list[Any]:
    """Handlers that bound the wait in the middle of a message too, as the library does not.

    And no short message waits for the answer to the one before: that takes 40 ms each.
    """

    def bound(event: Event) -> None:
        line: Any = event.assoc.dul.socket
        line.socket.settimeout(server.seconds)
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    both = (evt.EVT_DATA_SENT, _answer_at_once), (evt.EVT_DATA_RECV, _answer_at_once)
    return [(evt.EVT_CONN_OPEN, bound), *both]


def _answer_at_once(event: Event) -> None:
    """Acknowledge what comes next: many servers do not go on before; it holds for a moment only."""
    line: Any = event.assoc.dul.socket
    if sys.platform == "linux" and line is not None and line.socket is not None:
        with suppress(OSError):
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def accepts(association: Association, model: str) -> bool:
    """Whether the server offers this service."""
    return any(context.abstract_syntax == model for context in association.accepted_contexts)


def _refused(server: Server, association: Association) -> UserError:
    if not association.is_rejected:
        return why_not(server)
    answer = association.acceptor.primitive
    reason = (getattr(answer, "result_source", 0), getattr(answer, "diagnostic", 0))
    if reason == (1, CALLED):
        return UserError(
            f"{server.name} does not answer to the AE title {server.ae_title}: ask its "
            "administrator for the right one."
        )
    if reason == (1, CALLING):
        return UserError(
            f"{server.name} does not know our AE title {server.own_ae_title}: ask its "
            "administrator to add it, with the name of this computer."
        )
    if answer is not None and getattr(answer, "result", 0) == 2:
        return UserError(f"{server.name} is too busy to answer now: try again in a moment.")
    return UserError(
        f"{server.name} refuses our association as {server.own_ae_title}: ask its administrator "
        "whether this computer and AE title may use it."
    )
