"""Archives over DICOM and DICOMweb: a real Orthanc, and servers that are dead or half-dead."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keyring
import numpy as np
import pydicom
import pytest
from conftest import wait_until
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless
from pynetdicom import AE
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QInputDialog, QMessageBox

from gui.settings import SettingsFile
from inference.audit import Trail
from inference.errors import UserError
from inference.object_files import Objects, header
from inference.servers import Server
from inference.worker import Cancelled, JobContext
from inference.writing import Segment
from plugins.dicom.load import load_series
from plugins.dicom.network import jobs, received
from plugins.dicom.network.archive import FoundSeries, Instance, Query, Study
from plugins.dicom.network.inbox import Inbox, Stranger
from plugins.dicom.network.listener import NOT_ASKED, listening
from plugins.dicom.network.passwords import Passwords
from plugins.dicom.network.web import WebArchive
from plugins.dicom.widget_pacs_results import ResultsTree
from plugins.dicom.write_seg import write_binary
from tests import orthanc, phantoms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gui.window import LimnWindow
    from plugins.dicom.widget_pacs import PacsBrowser
    from tests.orthanc import Orthanc

STUDY, SERIES = "2.25.7", "2.25.8"
HERE = JobContext("cpu")
WAYS = ("get", "move", "web")


@pytest.fixture(scope="session")
def plain_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if orthanc.PROGRAM is None:
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    with orthanc.running(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="session")
def secure_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if orthanc.PROGRAM is None:
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    with orthanc.running(tmp_path_factory.mktemp("secure"), secure=True) as running:
        yield running


@pytest.fixture
def archive(plain_archive: Orthanc) -> Orthanc:
    plain_archive.forget()
    return plain_archive


@pytest.fixture
def secure(secure_archive: Orthanc) -> Orthanc:
    secure_archive.forget()
    return secure_archive


def scan(folder: Path, size: int = 32, **elements: Any) -> list[Path]:
    """Seven oblique CT slices with noise in them."""
    series = phantoms.stored((0, 1, 2), (False,) * 3, folder, phantoms.oblique())
    noise = np.random.default_rng(3).integers(-1000, 2000, (7, size, size)).astype(np.int16)
    slices = []
    for entry in phantoms.ct_slices(replace(series, voxels=noise)):
        entry.SeriesInstanceUID = SERIES
        for keyword, value in elements.items():
            setattr(entry, keyword, value)
        slices.append(entry)
    return sorted(phantoms.save(folder, slices).iterdir())


def send(server: Server, paths: list[Path], password: str = "") -> None:
    assert jobs.send(HERE, server, [str(path) for path in paths], password) == len(paths)


def by_way(archive: Orthanc, way: str) -> Server:
    return archive.web() if way == "web" else archive.dicom(retrieve=way)


def pixels(paths: list[Path]) -> dict[str, tuple[str, bytes]]:
    """Transfer syntax and stored bytes of each instance."""
    found = [pydicom.dcmread(path) for path in paths]
    return {
        entry.SOPInstanceUID: (entry.file_meta.TransferSyntaxUID, entry.PixelData)
        for entry in found
    }


def files_of(folders: list[str]) -> list[Path]:
    root = received.received_folder()
    return [file for folder in folders for file in (root / folder).iterdir()]


# --- out, back, segmented, and found beside -------------------------------------------------------


@pytest.mark.parametrize(("out", "back"), [("get", "get"), ("move", "move"), ("web", "web")])
def test_a_study_goes_out_comes_back_and_its_segmentation_lies_beside_it(
    archive: Orthanc, tmp_path: Path, out: str, back: str
) -> None:
    paths = scan(tmp_path / "ct")
    send(by_way(archive, out), paths)
    server = by_way(archive, back)
    [study] = jobs.find_studies(HERE, server, Query(patient_name="doe, jane"))
    assert (study.patient_id, study.instances, study.modalities) == ("SECRET-7", 7, ("CT",))
    [series] = jobs.find_series(HERE, server, study.study_uid)
    folders = jobs.retrieve(HERE, server, [], [series])
    assert pixels(files_of(folders)) == pixels(paths)
    [sent], [came] = load_series(tmp_path / "ct"), load_series(received.received_folder())
    assert came.sha256 == sent.sha256
    np.testing.assert_array_equal(came.geometry.affine, sent.geometry.affine)
    labels = (came.voxels > 1000).astype(np.uint8)
    segments = (Segment(1, "Bone", "#ffffff", None),)
    [mask] = write_binary(Objects(header(came), labels, None, segments, ()), tmp_path / "case")
    send(server, [mask])
    beside = {entry.modality: entry for entry in jobs.find_series(HERE, server, study.study_uid)}
    assert set(beside) == {"CT", "SEG"}
    [folder] = jobs.retrieve(HERE, server, [], [beside["SEG"]])
    [file] = files_of([folder])
    found = pydicom.dcmread(file)
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == SERIES
    assert found.pixel_array.sum() == labels.sum()
    assert {record.event for record in Trail().records()} == {"sent", "received"}


@pytest.mark.parametrize("way", WAYS)
def test_compressed_images_stay_as_they_are(archive: Orthanc, tmp_path: Path, way: str) -> None:
    paths = scan(tmp_path)
    for path in paths[:4]:
        entry = pydicom.dcmread(path)
        entry.compress(RLELossless, generate_instance_uid=False)
        entry.save_as(path)
    send(by_way(archive, way), paths)
    folders = jobs.retrieve(HERE, by_way(archive, way), [STUDY], [])
    found = pixels(files_of(folders))
    assert found == pixels(paths)
    assert {syntax for syntax, _ in found.values()} == {RLELossless, ExplicitVRLittleEndian}


def test_a_server_that_refuses_c_get_is_asked_for_c_move(archive: Orthanc, tmp_path: Path) -> None:
    paths = scan(tmp_path)
    send(archive.dicom(), paths)
    mover = archive.dicom(own_ae_title="MOVER")
    assert pixels(files_of(jobs.retrieve(HERE, mover, [STUDY], []))) == pixels(paths)
    received.empty()
    with pytest.raises(UserError, match="Archive"):
        jobs.retrieve(HERE, replace(mover, retrieve="get"), [STUDY], [])
    with pytest.raises(UserError, match=r"only C-MOVE.*choose one"):
        jobs.retrieve(HERE, archive.dicom(retrieve="move", receive_port=0), [STUDY], [])


@pytest.mark.parametrize("way", WAYS)
def test_over_tls_with_a_password(secure: Orthanc, tmp_path: Path, way: str) -> None:
    paths = scan(tmp_path)
    password = orthanc.PASSWORD if way == "web" else ""
    send(by_way(secure, way), paths, password)
    folders = jobs.retrieve(HERE, by_way(secure, way), [STUDY], [], password)
    assert pixels(files_of(folders)) == pixels(paths)


def test_a_web_server_that_asks_who_we_are(secure: Orthanc) -> None:
    folder = secure.certificates
    with orthanc.encrypted(secure.http_port, folder, mutual=True) as port:
        server = secure.web(url=f"https://localhost:{port}/dicom-web")
        with pytest.raises(UserError, match="asks for a certificate of ours"):
            jobs.check(HERE, server, orthanc.PASSWORD)
        for files in (
            {"certificate": str(folder / "ours.pem")},
            {"certificate": str(folder / "ours.pem"), "key": str(folder / "ours.key")},
        ):
            jobs.check(HERE, replace(server, **files), orthanc.PASSWORD)


def test_a_mute_stranger_does_not_keep_the_archive_waiting(secure: Orthanc, tmp_path: Path) -> None:
    """Connected to our port as soon as it is open, it never shakes hands."""
    paths = scan(tmp_path)
    send(secure.dicom(), paths)
    strangers: list[socket.socket] = []

    def knock() -> None:
        if not strangers:
            with suppress(ConnectionRefusedError):
                strangers.append(socket.create_connection(("127.0.0.1", secure.receive_port)))

    context = JobContext("cpu", give_way=knock)
    mover = secure.dicom(retrieve="move")
    assert pixels(files_of(jobs.retrieve(context, mover, [STUDY], []))) == pixels(paths)
    assert strangers
    strangers[0].close()


@pytest.mark.parametrize("kind", ["dicom", "web"])
def test_studies_are_found_by_who_when_and_what(
    archive: Orthanc, tmp_path: Path, kind: str
) -> None:
    for number, (name, date, modality) in enumerate(
        (
            ("Doe^Jane", "20240110", "CT"),
            ("Doe^John", "20240220", "MR"),
            ("Roe^Ann", "20240330", "CT"),
        )
    ):
        entry = phantoms.dicom(
            tmp_path, CTImageStorage, PatientName=name, PatientID=f"P{number}", StudyDate=date,
            AccessionNumber=f"A{number}", Modality=modality, StudyInstanceUID=f"2.25.10{number}",
            SeriesInstanceUID=f"2.25.20{number}",
        )  # fmt: skip
        phantoms.set_pixels(entry, np.zeros((4, 4), np.uint16))
        entry.save_as(tmp_path / f"{number}", enforce_file_format=True)
    send(archive.dicom(), sorted(tmp_path.iterdir()))
    server = archive.web() if kind == "web" else archive.dicom()

    def ids(**wish: str) -> set[str]:
        return {study.patient_id for study in jobs.find_studies(HERE, server, Query(**wish))}

    assert ids() == {"P0", "P1", "P2"}
    assert ids(patient_name="doe") == {"P0", "P1"}
    assert ids(patient_name="*ann") == {"P2"}
    assert ids(patient_id="P1") == ids(accession="A1") == {"P1"}
    assert ids(modality="CT") == {"P0", "P2"}
    assert ids(first_date="20240201") == {"P1", "P2"}
    assert ids(first_date="20240201", last_date="20240301") == {"P1"}
    assert ids(patient_name="Nobody") == set()


@pytest.mark.parametrize("way", WAYS)
def test_a_preview_fetches_one_image(archive: Orthanc, tmp_path: Path, way: str) -> None:
    send(archive.dicom(), scan(tmp_path))
    server = by_way(archive, way)
    [series] = jobs.find_series(HERE, server, STUDY)
    picture = jobs.preview(HERE, server, series)
    assert picture.dtype == np.uint8
    assert max(picture.shape) == 256
    assert np.ptp(picture) > 100
    assert len(list(received.received_folder().rglob("*.dcm"))) == 1
    missing = replace(series, series_uid="2.25.999")
    assert jobs.preview(HERE, server, missing) is None


@pytest.mark.parametrize("way", WAYS)
def test_a_preview_of_a_run_fetches_its_first_frame(
    archive: Orthanc, tmp_path: Path, way: str
) -> None:
    frames = np.zeros((200, 256, 200), np.uint16)
    frames[0, :128], frames[1:] = 4000, np.arange(256)[:, None]
    path = phantoms.angiogram(tmp_path / "run.dcm", frames, SeriesInstanceUID=SERIES)
    send(archive.dicom(), [path])
    server = by_way(archive, way)
    [series] = jobs.find_series(HERE, server, STUDY)
    picture = jobs.preview(HERE, server, series)
    assert picture.shape == (256, 200)
    assert (picture[:128] == 255).all()
    assert not picture[128:].any()
    assert not list(received.received_folder().rglob("*.dcm"))  # the rest was not waited for


# --- what is wrong, in a sentence -----------------------------------------------------------------

WRONG = (
    ({"ae_title": "OTHER"}, "does not answer to the AE title OTHER"),
    ({"own_ae_title": "OTHER"}, "does not know our AE title OTHER"),
    ({"ae_title": ""}, "needs two AE titles"),
    ({"host": ""}, "no host"),
    ({"host": "nowhere.invalid"}, "nowhere.invalid of Archive is not known"),
    ({"port": 1}, "refuses connections at localhost:1"),
)


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_wrong_settings_are_named(archive: Orthanc, change: Any, sentence: str) -> None:
    jobs.check(HERE, archive.dicom())
    with pytest.raises(UserError, match=sentence):
        jobs.check(HERE, archive.dicom(**change))


def test_wrong_settings_of_tls_and_web_are_named(secure: Orthanc, tmp_path: Path) -> None:
    def says(server: Server, password: str = orthanc.PASSWORD) -> str:
        with pytest.raises(UserError) as error:
            jobs.check(HERE, server, password)
        return str(error.value)

    jobs.check(HERE, secure.dicom())
    jobs.check(HERE, secure.web(), orthanc.PASSWORD)
    assert "not to be trusted" in says(secure.dicom(ca_file=""))
    assert "not to be trusted" in says(secure.web(ca_file=""))
    assert "asks for a certificate of ours" in says(secure.dicom(certificate=""))
    assert "does not speak TLS" in says(secure.dicom(port=secure.http_port))
    assert "gives no answer" in says(secure.dicom(tls=False))
    assert "doctor in (401): check user and password" in says(secure.web(), "wrong")
    assert "nobody in particular in (401)" in says(secure.web(user=""), "")
    assert "/dicom-web" in says(secure.web(url=f"{secure.web().url}/other"))
    assert "not as DICOMweb" in says(
        secure.web(url=secure.web().url.replace("dicom-web", "system?"))
    )
    assert "https://" in says(secure.web(url="ftp://localhost"))
    (tmp_path / "no.pem").write_text("nothing")
    assert "cannot be read" in says(secure.dicom(ca_file=str(tmp_path / "no.pem")))


# --- dead and half-dead servers -------------------------------------------------------------------


@contextmanager
def silent() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def mute(port: int, kind: str, seconds: float) -> Server:
    """How a server on this port would be reached."""
    return {
        "dicom": Server("Mute", "dicom", "127.0.0.1", port, "MUTE", seconds=seconds),
        "tls": Server("Mute", "dicom", "127.0.0.1", port, "MUTE", tls=True, seconds=seconds),
        "web": Server("Mute", "web", url=f"http://127.0.0.1:{port}/", seconds=seconds),
        "https": Server("Mute", "web", url=f"https://127.0.0.1:{port}/", seconds=seconds),
    }[kind]


class Forgetful(socketserver.StreamRequestHandler):
    """Answers once on a connection, seems to keep it, and closes it when it is asked again."""

    def handle(self) -> None:
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 2\r\n\r\n"
        )
        self.wfile.write(f"{head}[]".encode())
        self.rfile.readline()


def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forgetful) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        archive = WebArchive(mute(server.server_address[1], "web", 5.0))
        for _ in range(3):
            assert archive.studies(Query()) == []
        server.shutdown()


@pytest.mark.parametrize("kind", ["dicom", "tls", "web", "https"])
def test_a_server_that_never_answers_is_given_up(kind: str) -> None:
    with silent() as port:
        start = time.monotonic()
        with pytest.raises(UserError, match=r"Mute .*answer"):
            jobs.find_studies(HERE, mute(port, kind, 0.6), Query())
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("kind", ["dicom", "tls", "web", "https"])
def test_cancel_does_not_wait_for_a_dead_server(kind: str) -> None:
    with silent() as port:
        assert seconds_to_cancel(
            lambda context: jobs.check(context, mute(port, kind, 30)), lambda: True
        ) < 1  # fmt: skip


def seconds_to_cancel(job: Any, begun: Any) -> float:
    """Start a job, cancel it once something is so; seconds from there to its end."""
    wanted = threading.Event()
    asked: list[float] = []

    def give_way() -> None:
        if begun() and not wanted.is_set():
            wanted.set()
            asked.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        job(JobContext("cpu", give_way=give_way))
    return time.monotonic() - asked[0]


@pytest.mark.parametrize("silently", [True, False])
@pytest.mark.parametrize("kind", ["dicom", "web"])
def test_what_came_before_a_server_failed_is_kept_and_the_rest_fetched_later(
    archive: Orthanc, tmp_path: Path, kind: str, silently: bool
) -> None:
    paths = scan(tmp_path, size=128)
    send(archive.dicom(), paths)
    whole = archive.web() if kind == "web" else archive.dicom(receive_port=0)
    port = archive.http_port if kind == "web" else archive.dicom_port
    series = jobs.find_series(HERE, whole, STUDY)
    listed = jobs._listed(jobs.open_archive(whole), [], series)
    inbox = Inbox(listed)
    with orthanc.failing(port, 4 * 128 * 128 * 2, silently=silently) as broken:
        half = (
            replace(whole, url=whole.url.replace(str(port), str(broken)), seconds=1.0)
            if kind == "web"
            else replace(whole, port=broken, seconds=1.0)
        )
        with pytest.raises(UserError, match="Archive"):
            jobs.open_archive(half).fetch(listed, inbox)
    came = sorted(received.received_folder().rglob("*"))
    files = [path for path in came if path.is_file()]
    assert 1 <= len(files) == inbox.here < 7
    assert not [path for path in files if path.name.startswith(".")]
    before = {path: path.stat().st_mtime_ns for path in files}
    folders = jobs.retrieve(HERE, whole, [], series)
    assert pixels(files_of(folders)) == pixels(paths)
    assert before == {path: path.stat().st_mtime_ns for path in files}  # not fetched again


@pytest.mark.parametrize("kind", ["dicom", "web"])
def test_cancel_in_the_middle_of_a_retrieval(archive: Orthanc, tmp_path: Path, kind: str) -> None:
    send(archive.dicom(), scan(tmp_path, size=128))
    port = archive.http_port if kind == "web" else archive.dicom_port
    whole = archive.web() if kind == "web" else archive.dicom()
    listed = jobs._listed(jobs.open_archive(whole), [STUDY], [])
    inbox = Inbox(listed)
    with orthanc.failing(port, 4 * 128 * 128 * 2, silently=True) as broken:
        url = whole.url.replace(str(port), str(broken))
        half = jobs.open_archive(replace(whole, port=broken, url=url, seconds=30.0))
        seconds = seconds_to_cancel(
            lambda context: jobs._attend(
                context, half, lambda: half.fetch(listed, inbox), inbox=inbox
            ),
            lambda: inbox.here,
        )
    assert seconds < 1
    assert not list(received.received_folder().rglob(".*"))


# --- our own port ---------------------------------------------------------------------------------


def one_slice(tmp_path: Path, **elements: Any) -> pydicom.Dataset:
    return pydicom.dcmread(scan(tmp_path, **elements)[0])


def offer(port: int, calling: str, dataset: pydicom.Dataset) -> int | None:
    """Store a data set on a port under this AE title; the status, None if not let in."""
    entity = AE(calling)
    entity.add_requested_context(dataset.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="LIMN")
    if not association.is_established:
        return None
    status = association.send_c_store(dataset).Status
    association.release()
    return status


def test_our_port_is_open_only_for_the_server_and_only_for_what_was_asked(tmp_path: Path) -> None:
    [port] = orthanc.free_ports(1)
    server = Server("Archive", host="127.0.0.1", port=104, ae_title="PACS", receive_port=port)
    asked = one_slice(tmp_path / "asked")
    other = one_slice(tmp_path / "other", StudyInstanceUID="2.25.666")
    inbox = Inbox([Instance(STUDY, SERIES, asked.SOPInstanceUID)])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with listening(server, inbox):
        assert offer(port, "STRANGER", asked) is None
        assert offer(port, "PACS", other) == NOT_ASKED
        assert inbox.here == 0
        assert inbox.sent_away == {"STRANGER"}
        assert "sent as STRANGER was not let in" in jobs._incomplete(server, inbox, 1)
        assert offer(port, "PACS", asked) == 0
    assert inbox.here == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert len(list(received.received_folder().rglob("*.dcm"))) == 1


def test_a_port_that_is_taken_is_told(archive: Orthanc, tmp_path: Path) -> None:
    send(archive.dicom(), scan(tmp_path))
    with silent() as port, pytest.raises(UserError, match=f"port {port}.*cannot be opened"):
        jobs.retrieve(HERE, archive.dicom(retrieve="move", receive_port=port), [STUDY], [])


# --- the folder of received studies ---------------------------------------------------------------


def test_received_files_have_names_that_tell_nothing_and_can_be_removed(tmp_path: Path) -> None:
    path = scan(tmp_path)[0]
    entry = pydicom.dcmread(path)
    inbox = Inbox([Instance(STUDY, SERIES, entry.SOPInstanceUID)])
    inbox.take(path.read_bytes())
    [kept] = received.received_folder().rglob("*.dcm")
    assert kept.read_bytes() == path.read_bytes()
    names = "/".join(kept.relative_to(received.received_folder()).parts)
    told = (STUDY, SERIES, entry.SOPInstanceUID, "Doe", "SECRET")
    assert not [text for text in told if text in names]
    assert received.size() == (1, path.stat().st_size)
    for stranger in (b"", b"no DICOM" * 100, path.read_bytes()[:200]):
        with pytest.raises(Stranger):
            inbox.take(stranger)
    received.empty()
    assert received.size() == (0, 0)


def test_a_uid_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    path = scan(tmp_path, StudyInstanceUID="../../../evil", SeriesInstanceUID="/etc/x")[0]
    inbox = Inbox([Instance("../../../evil", "/etc/x", "1")])
    inbox.take(path.read_bytes())
    assert len(list(received.received_folder().rglob("*.dcm"))) == 1


def test_a_full_or_forbidden_disk_is_told(tmp_path: Path) -> None:
    path = scan(tmp_path)[0]
    (tmp_path / "file").write_text("in the way")
    uid = pydicom.dcmread(path).SOPInstanceUID
    inbox = Inbox([Instance(STUDY, SERIES, uid)], root=tmp_path / "file")
    with pytest.raises(UserError, match="cannot be kept"):
        inbox.take(path.read_bytes())
    assert inbox.failure is not None
    assert inbox.here == 0


# --- passwords and settings -----------------------------------------------------------------------


class MemoryKeyring(KeyringBackend):
    """Keeps passwords as a system's keyring does."""

    priority = 1

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if not self.kept.pop((service, username), None):
            raise KeyringError


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    made = MemoryKeyring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


def test_passwords_are_in_the_keyring_and_nowhere_else(memory_keyring: MemoryKeyring) -> None:
    passwords = Passwords()
    assert passwords.kept
    assert passwords.get("a@b") is None
    assert passwords.set("a@b", "rosebud")
    assert memory_keyring.kept == {("limn", "a@b"): "rosebud"}
    assert Passwords().get("a@b") == "rosebud"
    passwords.forget("a@b")
    passwords.forget("a@b")
    assert memory_keyring.kept == {}
    assert passwords.get("a@b") is None


def test_without_a_keyring_passwords_last_as_long_as_the_program() -> None:
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    try:
        passwords = Passwords()
        assert not passwords.kept
        assert not passwords.set("a@b", "rosebud")
        assert passwords.get("a@b") == "rosebud"
        assert Passwords().get("a@b") is None
    finally:
        keyring.set_keyring(before)


def test_servers_are_kept_with_the_settings(tmp_path: Path) -> None:
    settings = SettingsFile(tmp_path / "settings.json")
    servers = (Server("A", host="pacs", ae_title="PACS"), Server("B", "web", url="https://b"))
    settings.change(servers=servers)
    assert SettingsFile(settings.path).now.servers == servers
    assert "password" not in settings.path.read_text()


def test_a_name_becomes_a_pattern() -> None:
    patterns = {"doe": "doe*", "Doe, Jane": "Doe*Jane*", "doe^j": "doe*j*", "*oe": "*oe", " ": ""}
    assert {text: Query(patient_name=text).name_pattern for text in patterns} == patterns


# --- in the window --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests: the processes of the tab keep the one that they began with."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def page(window: LimnWindow, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PacsBrowser]:
    """The PACS tab with nothing found or received; `choose` adds the server of a test."""
    monkeypatch.setenv("LIMN_DATA_DIR", str(data))
    received.empty()
    window.browser.open("PACS")
    found = window.browser.pages["PACS"]
    found.tree.show_studies([])
    yield found
    window.browser.close()


def choose(window: LimnWindow, server: Server) -> None:
    window.settings.change(servers=(server,), server=server.name)


def found(page: PacsBrowser) -> list[Any]:
    """Search, and open the first study; the rows of its series."""
    page.tree.show_studies([])
    QTest.mouseClick(page.form.search, Qt.MouseButton.LeftButton)
    wait_until(lambda: page.tree.topLevelItemCount() or page.said.objectName() == "error")
    assert page.said.objectName() != "error", page.said.text()
    study = page.tree.topLevelItem(0).child(0)
    study.setExpanded(True)
    wait_until(study.childCount)
    return [study.child(number) for number in range(study.childCount())]


def told(window: LimnWindow) -> list[str]:
    return [toast.sentence for toast in window.notices.toasts]


def test_a_series_is_found_looked_at_and_opened(
    archive: Orthanc, window: LimnWindow, page: PacsBrowser, tmp_path: Path
) -> None:
    send(archive.dicom(), scan(tmp_path))
    choose(window, archive.dicom())
    [series] = found(page)
    assert page.said.text() == "1 study of 1 patient."
    assert page.tree.topLevelItem(0).text(0) == "Doe Jane"
    assert (series.text(2), series.text(3)) == ("CT", "7")
    page.tree.setCurrentItem(series)
    wait_until(lambda: page.preview.picture)
    QTest.keyClick(page.tree, Qt.Key.Key_Return)
    wait_until(lambda: window.studies.open)
    [sent] = load_series(tmp_path)
    assert window.studies.selected.series.sha256 == sent.sha256
    wait_until(lambda: page.received.text.text().startswith("Received and kept: 1 study"))
    assert window.settings.now.recent == ()  # names made of hashes help nobody
    window.settings.change(hide_patient_names=True)
    assert page.tree.topLevelItem(0).text(0) == "Patient 1"
    logs = "".join(path.read_text() for path in logs_folder().iterdir())
    assert not [text for text in ("Doe", "SECRET", STUDY, SERIES) if text in logs]


def logs_folder() -> Path:
    from inference.logs import folder

    return folder()


def test_received_studies_can_be_removed_from_the_tab(
    page: PacsBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scan(tmp_path)[0]
    Inbox([Instance(STUDY, SERIES, "1")]).take(path.read_bytes())
    page.received.refresh()
    wait_until(page.received.empty_button.isVisible)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    page.received.empty_button.click()
    wait_until(lambda: not page.received.empty_button.isVisible())
    assert received.size() == (0, 0)


def test_a_search_in_a_dead_server_stops_at_once(window: LimnWindow, page: PacsBrowser) -> None:
    with silent() as port:
        choose(window, mute(port, "dicom", 30))
        page.form.search.click()
        wait_until(lambda: page.form.search.text() == "Stop")
        start = time.monotonic()
        page.form.search.click()
        assert page.said.text() == "Stopped."
        choose(window, mute(port, "web", 1))
        page.form.search.click()
        wait_until(lambda: page.said.objectName() == "error")  # nothing waits for the first
        assert time.monotonic() - start < 10
    assert page.said.text().startswith("Mute accepts connections")


def test_a_retrieval_is_cancelled_in_the_middle_and_the_next_begins(
    archive: Orthanc, window: LimnWindow, page: PacsBrowser, tmp_path: Path
) -> None:
    paths = scan(tmp_path, size=128)
    send(archive.dicom(), paths)
    whole = archive.dicom(seconds=60.0)
    choose(window, whole)
    [series] = found(page)
    page.tree.setCurrentItem(series)
    with orthanc.failing(whole.port, 4 * 128 * 128 * 2, silently=True) as broken:
        choose(window, replace(whole, port=broken))
        page.open_button.click()
        wait_until(lambda: page.running.bar.value() > 0)
        assert "of 7 images" in page.running.note.text()
        page.running.cancel_button.click()
        assert not page.running.isVisible()
        assert not window.studies.open
        choose(window, whole)
        start = time.monotonic()
        page.open_button.click()
        wait_until(lambda: window.studies.open)
    assert time.monotonic() - start < 20  # far less than the patience with the first
    assert window.studies.selected.series.sha256 == load_series(tmp_path)[0].sha256


def test_what_was_exported_is_offered_to_be_sent_and_found_beside_its_series(
    archive: Orthanc, window: LimnWindow, page: PacsBrowser, tmp_path: Path
) -> None:
    send(archive.dicom(), scan(tmp_path / "ct"))
    window.opening.open([tmp_path / "ct"])
    wait_until(lambda: window.studies.open)
    [document] = window.studies.open
    item = document.add_object("Bone")
    document.labels[document.image > 1000] = item.id
    choose(window, archive.dicom())
    window.settings.change(export_formats=("seg", "csv"))
    window.export.save(document, tmp_path)
    wait_until(lambda: told(window))
    window.commands.actions["send"].trigger()
    dialog = shown_dialog("SendDialog")
    offered = [dialog.files.item(n).text() for n in range(dialog.files.count())]
    assert [name.endswith("_seg.dcm") for name in offered] == [True]
    dialog.send.click()
    wait_until(lambda: len(told(window)) == 2)
    assert told(window)[1] == "Sent 1 file to Archive."
    assert {row.text(2) for row in found(page)} == {"CT", "SEG"}


@pytest.mark.parametrize("size", [100, 200])
def test_the_tab_fits_between_the_docks_at_every_size_of_text(
    window: LimnWindow, page: PacsBrowser, size: int
) -> None:
    choose(window, mute(1, "dicom", 1))
    window.settings.change(text_size=size)
    page.tree.show_studies([Study(STUDY, "Doe^Jane", "7", "19700102", "20240102", "101112")])
    wait_until(lambda: page.minimumSizeHint().width() <= 850)
    fields = page.form.name, page.form.accession, page.form.period, page.form.search
    wait_until(lambda: all(part.geometry().right() < page.form.width() for part in fields))
    page.form.resize(2000, page.form.height())
    page.form.layout().activate()
    tops = [part.y() for part in fields]
    assert max(tops) - min(tops) < page.form.name.height() / 2  # one row where there is room
    date = page.tree.topLevelItem(0).child(0).text(1)
    room = page.tree.columnWidth(1) - page.tree.fontMetrics().horizontalAdvance(date)
    assert room > 0


def test_descriptions_tell_no_hidden_name(qapp: QApplication) -> None:
    tree = ResultsTree()
    study = Study(STUDY, "Wintergreen^Aurelia", "MRN-4711", description="Thorax Wintergreen")
    tree.show_studies([study])
    item = tree.topLevelItem(0).child(0)
    tree.show_series(STUDY, [FoundSeries(STUDY, SERIES, "2", "CT", "Aurelia MRN-4711 lung")])
    assert (item.text(0), item.child(0).text(0)) == (
        "Thorax Wintergreen", "2  Aurelia MRN-4711 lung",
    )  # fmt: skip
    tree.hide_names(hidden=True)
    assert (item.text(0), item.child(0).text(0)) == ("Thorax …", "2  … … lung")
    tree.show_studies([study])
    assert tree.topLevelItem(0).child(0).text(0) == "Thorax …"
    tree.hide_names(hidden=False)
    assert tree.topLevelItem(0).child(0).text(0) == "Thorax Wintergreen"


def test_what_cannot_be_sent_is_told(
    archive: Orthanc, window: LimnWindow, page: PacsBrowser, tmp_path: Path
) -> None:
    (tmp_path / "no.dcm").write_text("no DICOM")
    choose(window, archive.dicom())
    page.ask_to_send()
    dialog = shown_dialog("SendDialog")
    for place in range(dialog.files.count()):
        dialog.files.item(place).setCheckState(Qt.CheckState.Unchecked)
    assert not dialog.send.isEnabled()
    dialog.add([tmp_path / "no.dcm"])
    dialog.send.click()
    wait_until(lambda: told(window))
    assert "no.dcm" in told(window)[0]


def shown_dialog(name: str) -> Any:
    return next(
        part
        for part in QApplication.topLevelWidgets()
        if isinstance(part, QDialog) and type(part).__name__ == name and part.isVisible()
    )


def test_servers_are_edited_and_tested(
    archive: Orthanc, window: LimnWindow, page: PacsBrowser, memory_keyring: MemoryKeyring
) -> None:
    assert page.add_first.isVisible()
    page.add_first.click()
    dialog = shown_dialog("ServersDialog")
    fill(dialog, name="Clinic", host="localhost", ae_title="ORTHANC")
    dialog.form.port.setValue(1)
    dialog.test_button.click()
    wait_until(lambda: dialog.answer.objectName() == "error")
    assert "Clinic refuses connections" in dialog.answer.text()
    dialog.form.port.setValue(archive.dicom_port)
    dialog.test_button.click()
    wait_until(lambda: dialog.answer.text() == "Clinic answers.")
    dialog.add_server()
    fill(dialog, name="Clinic")
    assert "name of its own" in dialog.answer.text()
    fill(dialog, name="Web")
    dialog.form.kind.setCurrentIndex(1)
    fill(dialog, url=archive.web().url, user="doctor")
    dialog.form.password.setText("rosebud")
    dialog.form.password.editingFinished.emit()
    wait_until(lambda: memory_keyring.kept)
    assert "rosebud" in memory_keyring.kept.values()
    assert "rosebud" not in window.settings.path.read_text()
    assert [server.kind for server in window.settings.now.servers] == ["dicom", "web"]
    dialog.remove_button.click()
    wait_until(lambda: not memory_keyring.kept)
    dialog.accept()
    assert page.server.name == "Clinic"
    assert not page.add_first.isVisible()


def fill(dialog: Any, **texts: str) -> None:
    for name, text in texts.items():
        field = getattr(dialog.form, name)
        field.setText(text)
        field.editingFinished.emit()


def test_a_password_is_asked_and_asked_again_if_it_was_wrong(
    secure: Orthanc, window: LimnWindow, page: PacsBrowser, tmp_path: Path,
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    send(secure.dicom(), scan(tmp_path))
    choose(window, secure.web())
    answers = [("wrong", True), ("", False), (orthanc.PASSWORD, True)]
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: answers.pop(0))
    page.form.search.click()
    wait_until(lambda: page.said.objectName() == "error")
    assert "check user and password" in page.said.text()
    wait_until(lambda: not memory_keyring.kept)
    page.form.search.click()
    wait_until(lambda: page.said.text() == "")  # it was not given
    assert len(found(page)) == 1
    wait_until(lambda: list(memory_keyring.kept.values()) == [orthanc.PASSWORD])
    assert orthanc.PASSWORD not in window.settings.path.read_text()
    assert not answers
