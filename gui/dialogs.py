"""The dialogs of the window: settings, keys, logs, about, what may be lost."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QMessageBox

from gui.background import Background
from gui.studies import series_title
from inference.resources import resource_path

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
        """What this is, and the licences of all its parts."""
        from gui.about import AboutDialog

        AboutDialog(self._window).open()

    def check_up(self) -> None:
        """What this computer offers, and whether the models are intact."""
        from gui.about import AboutDialog

        AboutDialog(self._window, "This computer").open()

    def support(self) -> None:
        """Save versions, device and logs for who helps the user; nothing of a patient."""
        from inference import support

        window = self._window
        proposed = str(Path.home() / f"limn_support_{date.today():%Y%m%d}.zip")
        chosen, _ = QFileDialog.getSaveFileName(
            window, "Save support bundle", proposed, "Zip (*.zip)"
        )
        if chosen:
            Background(window).run(lambda: support.write(Path(chosen)), self._supported)

    def tour(self) -> None:
        """Show the parts of the window one by one, with a sample in it if nothing is open."""
        from gui.tour import Tour

        window = self._window
        if not window.studies.open:
            window.opening.open([resource_path("samples", "ct_phantom.nii.gz")])
        Tour(window).ended.connect(lambda: window.settings.change(welcomed=True))

    def _supported(self, path: Path) -> None:
        self._window.notices.tell(
            f"The support bundle is saved as {path.name}: versions, device and logs, nothing of a "
            "patient. Look into it before you send it."
        )

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
