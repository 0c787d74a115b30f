"""What the PACS tab asks of servers: processes of their own, and passwords."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QInputDialog, QLineEdit, QWidget

from gui.background import Background
from gui.jobs import Jobs
from plugins.dicom.network.archive import WRONG_PASSWORD
from plugins.dicom.network.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.browser import BrowserContext
    from inference.job import Job
    from inference.servers import Server

JOBS = "plugins.dicom.network.jobs"
KEPT = "The keyring of this system will keep it."
NOT_KEPT = (
    "This system has no keyring: Limn remembers it until you close Limn, and writes it nowhere."
)


class PacsWork(QObject):
    """One process asks servers and one moves files, so that a search need not wait for these."""

    def __init__(self, host: QWidget, context: BrowserContext) -> None:
        super().__init__(host)
        self._host, self._context = host, context
        self._background = Background(self)
        self.passwords = Passwords()

    @cached_property
    def queries(self) -> Jobs:
        """The process that asks; begun when it is first needed."""
        return self._begun("query")

    @cached_property
    def transfers(self) -> Jobs:
        """The process that receives and sends."""
        return self._begun("transfer")

    def submit(
        self,
        jobs: Jobs,
        what: str,
        server: Server,
        done: Callable[[Any], None],
        failed: Callable[[BaseException | None], None],
        begun: Callable[[Job], None] = lambda job: None,
        **request: Any,
    ) -> None:
        """Ask for the password if the server needs one, then start; `failed(None)`: given up."""

        def go(password: str) -> None:
            def complain(error: BaseException) -> None:
                self._failed(server, error, failed)

            task = f"{JOBS}:{what}"
            request.update(server=server, password=password)
            begun(jobs.submit(task, done=done, failed=complain, **request))

        if server.kind == "dicom" or not server.user:
            return go("")
        known = partial(self.passwords.get, account(server))
        return self._background.run(known, lambda found: self._ask(server, found, go, failed))

    def keep_password(self, server: Server, password: str) -> None:
        """Hand a typed password to the keyring, which may take its time."""
        self._background.run(
            partial(self.passwords.set, account(server), password), lambda kept: None
        )

    def forget_password(self, server: Server) -> None:
        """Remove it from the keyring."""
        self._background.run(
            partial(self.passwords.forget, account(server)), lambda forgotten: None
        )

    def _ask(
        self,
        server: Server,
        found: str | None,
        go: Callable[[str], None],
        failed: Callable[[BaseException | None], None],
    ) -> None:
        if found is not None:
            return go(found)
        hint = KEPT if self.passwords.kept else NOT_KEPT
        typed, given = QInputDialog.getText(
            self._host, "Password", f"Password of {server.user} on {server.name}.\n{hint}",
            QLineEdit.EchoMode.Password,
        )  # fmt: skip
        if not given:
            return failed(None)
        self.keep_password(server, typed)
        return go(typed)

    def _failed(
        self, server: Server, error: BaseException, failed: Callable[[BaseException | None], None]
    ) -> None:
        if WRONG_PASSWORD in str(error):
            self.forget_password(server)
        failed(error)

    def _begun(self, name: str) -> Jobs:
        jobs = Jobs(self, name=name, preload=())
        self._context.follow_jobs(jobs)
        return jobs


def account(server: Server) -> str:
    """Under which the keyring keeps a password."""
    return f"{server.user}@{server.url}"
