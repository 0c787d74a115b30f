"""A cluster of dask.distributed as the crew of a cohort.

We connect out to its scheduler and listen nowhere; no key and no event names a case.
"""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from inference import logs
from inference.cluster_worker import STARTED, Slip, do_case
from inference.cohort import Done
from inference.cohort_files import make, unpack
from inference.errors import UserError
from inference.headless import recipe
from inference.lane import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    import distributed

    from inference.cases import Case
    from inference.cluster_worker import Delivery
    from inference.cohort import Shift
    from inference.servers import Cluster

logger = logging.getLogger(__name__)

PATIENCE = 15.0  # seconds for the scheduler to answer
WIDTH_EVERY = 5.0  # seconds between two looks how many workers there are
AHEAD = 2  # cases for each thread of a worker, so that none waits for the next


def connect(where: Cluster) -> distributed.Client:
    """A client that talks to the scheduler alone; raises UserError."""
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters, the user is told
    try:
        parts = urlsplit(where.address)
        socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE).close()
        return Client(  # which would try again and again where nobody listens
            where.address,
            timeout=PATIENCE,
            security=_security(where),
            set_as_default=False,
            direct_to_workers=False,
            name="limn",
        )
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise UserError(
            f"The scheduler at {where.address} does not answer: check its address, and whether it "
            "wants certificates."
        ) from error


class ClusterCrew:
    """Does each case on whichever worker of a cluster is free."""

    def __init__(self, where: Cluster, tell: Callable[[str], None] = lambda line: None) -> None:
        self._where, self._tell = where, tell
        self._width, self._looked = 0, 0.0
        self._cases: dict[str, tuple[Shift, Case]] = {}

    def __enter__(self) -> Self:
        """Connect; raises UserError."""
        self._client = connect(self._where)
        self._client.subscribe_topic(STARTED, self._started)
        if not self._suited():
            what = f" with the resource {self._where.resource}" if self._where.resource else ""
            self._tell(f"No worker{what} has joined {self._where.address} yet: waiting for one.")
        return self

    def __exit__(self, *error: object) -> None:
        """Leave; what is still asked for is forgotten there, and stops."""
        with suppress(Exception):  # the scheduler may be gone
            self._client.close(timeout=2)

    @property
    def width(self) -> int:
        """Some cases for each thread of the workers that there are by now; raises UserError."""
        if time.monotonic() - self._looked > WIDTH_EVERY:
            self._looked = time.monotonic()
            self._width = AHEAD * sum(entry["nthreads"] for entry in self._suited())
        return max(1, self._width)

    def submit(self, shift: Shift, case: Case) -> Future[Done]:
        """Done by a worker; if that dies, by another."""
        request = shift.request
        slip = Slip(
            request.task, request.settings, request.device, request.pictures, case,
            make(shift.aside), recipe(request.task, request.settings),
        )  # fmt: skip
        key = f"limn-{uuid4().hex}"
        self._cases[key] = (shift, case)
        promised: Future[Done] = Future()
        asked = self._client.submit(
            do_case, slip, key=key, pure=False, resources=self._where.resources
        )
        asked.add_done_callback(partial(self._answered, promised))
        return promised

    def _suited(self) -> list[dict[str, Any]]:
        """What is known of each worker that may take a case; raises UserError."""
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except Exception as error:  # whatever a broken connection raises
            raise gone(self._where) from error
        wanted = self._where.resource
        return [entry for entry in workers if not wanted or entry["resources"].get(wanted)]

    def _started(self, event: tuple[float, str]) -> None:
        if found := self._cases.get(event[1]):
            shift, case = found
            shift.watch.started(case)

    def _answered(self, promised: Future[Done], asked: distributed.Future[Any]) -> None:
        shift, case = self._cases.pop(str(asked.key))
        try:
            promised.set_result(_done(shift, case, asked))
        except BaseException as error:  # noqa: BLE001 (it is raised where the case is awaited)
            promised.set_exception(told(error, self._where))


def _done(shift: Shift, case: Case, asked: distributed.Future[Any]) -> Done:
    """The files of a worker that does not see our folder come with its answer."""
    from distributed import KilledWorker

    try:
        delivery: Delivery = asked.result()
    except KilledWorker:
        sentence = "each worker that tried it ended unexpectedly, perhaps for want of memory."
        return Done(Outcome(case, "failed", problems=(sentence,)), shift.aside)
    if delivery.work is not None:
        return Done(delivery.outcome, delivery.work)
    work = shift.aside / uuid4().hex
    unpack(delivery.files, work)
    return Done(delivery.outcome, work)


def told(error: BaseException, where: Cluster) -> BaseException:
    """What a job of a cluster raised, as a sentence."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, CancelledError | OSError):
        return gone(where)
    logger.warning("the cluster failed: %s", logs.stack(error))
    return UserError(
        f"The cluster at {where.address} could not do its work ({type(error).__name__}): the log "
        "has the details."
    )


def gone(where: Cluster) -> UserError:
    """That there is no scheduler any more."""
    return UserError(
        f"The scheduler at {where.address} is gone: what is finished was kept; start again to go "
        "on with the rest."
    )


def _security(where: Cluster) -> Any:
    """Certificates for TLS, which is then required; None without. Raises UserError."""
    from distributed.security import Security

    if not where.address.startswith("tls://"):
        if where.ca_file or where.certificate or where.key:
            raise UserError("Certificates are for a scheduler whose address begins with tls://.")
        return None
    files = {"ca file": where.ca_file, "certificate": where.certificate, "key": where.key}
    for name, file in files.items():
        if not Path(file).is_file():
            raise UserError(f"A scheduler at tls:// needs a {name} (PEM): there is no {file!r}.")
    return Security(
        tls_ca_file=where.ca_file,
        tls_client_cert=where.certificate,
        tls_client_key=where.key,
        require_encryption=True,
    )
