"""The dialogs of the window: settings, keys, logs, about, what may be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QMessageBox

from gui.layout import DISCLAIMER
from gui.studies import series_title

if TYPE_CHECKING:
    from gui.document import Document
    from gui.window import LimnWindow

DEIDENTIFY = "limn-dicom.deidentify_dialog"


class Dialogs:
    """Opens them over the window."""

    def __init__(self, window: LimnWindow) -> None:
        self._window = window

    def settings(self) -> None:
        """Open the settings."""
        from gui.settings_dialog import SettingsDialog

        window = self._window
        devices = window.session.jobs.devices
        SettingsDialog(window.settings, window.commands.table, devices, window).open()

    def keys(self) -> None:
        """Show all keys and what the mouse does."""
        from gui.cheat_sheet import CheatSheet

        window = self._window
        CheatSheet(window.commands.table, window.settings.now.shortcuts, window).open()

    def logs(self) -> None:
        """Open the folder of the logs."""
        from inference import logs

        QDesktopServices.openUrl(QUrl.fromLocalFile(str(logs.folder())))

    def deidentify(self) -> None:
        """Let the user write de-identified copies of the shown study."""
        from inference.registry import command

        window, shown = self._window, self._window.studies.selected
        if shown is None:
            return
        study = shown.series.identity.study_uid
        others = [document for document in window.studies.open if document is not shown]
        same = [document for document in others
                if document.series.identity.series_uid
                and document.series.identity.study_uid == study]  # fmt: skip
        dialog = command(DEIDENTIFY)
        dialog([shown, *same], window.reader, window.settings, window.notices,
               window.audit.notebook, window).open()  # fmt: skip

    def audit(self) -> None:
        """Show the audit trail."""
        from gui.audit_dialog import AuditDialog

        AuditDialog(self._window.notices, self._window).open()

    def about(self) -> None:
        """What this is."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("limn")
        except PackageNotFoundError:
            number = ""
        text = f"<h3>Limn {number}</h3><p>A workstation for interactive medical image analysis.</p>"
        QMessageBox.about(self._window, "About Limn", f"{text}<p><b>{DISCLAIMER}</b></p>")

    def may_lose(self, document: Document) -> bool:
        """Ask whether what was drawn may be given up."""
        hidden = self._window.settings.now.hide_patient_names
        name = series_title(document.series, hidden)
        answer = QMessageBox.question(
            self._window,
            "Unsaved work",
            f"What was drawn on {name} was not saved. Close anyway?",
        )
        return bool(answer == QMessageBox.StandardButton.Yes)
