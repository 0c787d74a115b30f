"""The studies of an archive as the cases of a cohort, over DICOMweb.

User, password and certificates come from the environment of whoever asks, a worker of a cluster
too: LIMN_DICOMWEB_USER, _PASSWORD, _CA_FILE, _CERTIFICATE and _KEY.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from inference.errors import UserError
from inference.servers import Server
from plugins.dicom.network.inbox import Inbox
from plugins.dicom.network.web import WebArchive

if TYPE_CHECKING:
    from pathlib import Path

STUDIES = "/studies"


def list_studies(url: str) -> tuple[str, list[str]]:
    """The address of the service, and the UIDs of the studies that match; raises UserError.

    `url` is that address, or a search below it as DICOMweb writes it: …/studies?Modality=CT.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix(STUDIES)
    service = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    found = _archive(service).every_study(dict(parse_qsl(parts.query)))
    return service, sorted(study.study_uid for study in found)


def fetch_study(url: str, study_uid: str, folder: Path) -> None:
    """Put all files of a study into a folder; raises UserError if some did not come."""
    archive = _archive(url)
    series = archive.series(study_uid)
    wanted = [one for each in series for one in archive.instances(study_uid, each.series_uid)]
    inbox = Inbox(wanted, folder)
    archive.fetch(wanted, inbox)
    if inbox.failure:
        raise inbox.failure
    if missing := len(inbox.missing()):
        raise UserError(f"The archive sent all but {missing} of the {len(wanted)} images.")


def _archive(url: str) -> WebArchive:
    def given(name: str) -> str:
        return os.environ.get(f"LIMN_DICOMWEB_{name}", "")

    server = Server(
        urlsplit(url).hostname or url, "web", url=url, user=given("USER"),
        ca_file=given("CA_FILE"), certificate=given("CERTIFICATE"), key=given("KEY"),
    )  # fmt: skip
    return WebArchive(server, given("PASSWORD"))
