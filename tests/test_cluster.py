"""Cohorts on a cluster of dask.distributed: the same files, and nothing lost when parts die."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import distributed
import numpy as np
import psutil
import pytest
import trustme
from PIL import Image

from inference import cases
from inference.batch import Batch, keep_books, run_batch
from inference.cluster import ClusterCrew, connect
from inference.cluster_worker import Slip, do_case
from inference.cohort import Control, Watch, run_cohort
from inference.errors import UserError
from inference.headless import Request, recipe
from inference.servers import Cluster
from tests import orthanc, phantoms
from tests.headless_tasks import HOLD, THRESHOLD
from tests.test_batch import contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inference.cohort import LocalCrew

ROOT = Path(__file__).parents[1]
GREY = np.arange(200, dtype=np.uint8).reshape(10, 20)


def request_to(out: Path, **settings: Any) -> Request:
    return Request(THRESHOLD, THRESHOLD.defaults() | settings, out)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    folder = tmp_path / "Doe^Jane"
    (folder / "ward").mkdir(parents=True)
    for number, name in enumerate("abcd"):
        Image.fromarray(GREY + number).save(folder / "ward" / f"{name}.png")
    Image.fromarray(GREY * 0).save(folder / "black.png")
    return folder


def test_a_cluster_gives_the_same_files_bit_for_bit(
    address: str, cohort: Path, tmp_path: Path, lanes: LocalCrew
) -> None:
    told: list[str] = []
    batch = Batch(request_to(tmp_path / "there"), str(cohort), cluster=Cluster(address))
    assert not run_batch(batch, told.append)
    assert told[0] == f"{cohort / 'black.png'}: The image is black."
    assert told[-1].startswith("4 cases done, 1 failed.")
    keep_books(request_to(tmp_path / "here"), cases.find(cohort), lanes.shared, Watch())
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    assert here == there
    assert len(here) == 12
    assert run_batch(batch, told.append) is False
    assert told[-1].startswith("0 cases done, 4 done before, 1 failed.")


def test_files_of_a_worker_that_does_not_see_our_folder_come_with_its_answer(
    address: str, cohort: Path, tmp_path: Path
) -> None:
    request = request_to(tmp_path)
    made_by = recipe(request.task, request.settings)
    case = cases.find(cohort / "ward")[0]
    slip = Slip(request.task, request.settings, "cpu", True, case, tmp_path / "absent", made_by)
    client = connect(Cluster(address))
    delivery = client.submit(do_case, slip, key="limn-a").result()
    assert delivery.work is None
    assert set(delivery.files) == {"a.json", "a_mask.png", "thumbnails/a.jpg"}
    other = replace(slip, made_by=made_by | {"program": "Limn 0"})
    with pytest.raises(UserError, match="another program than this computer"):
        client.submit(do_case, other, key="limn-b").result()
    client.close()


def test_a_resource_that_no_worker_has_is_told(address: str, cohort: Path, tmp_path: Path) -> None:
    control, told = Control(), list[str]()

    def tell(line: str) -> None:
        told.append(line)
        control.cancel()

    crew = ClusterCrew(Cluster(address, resource="TPU"), tell)
    found = cases.find(cohort)
    ledger = run_cohort(request_to(tmp_path / "out"), found, lambda _: crew, control=control)
    assert told == [f"No worker with the resource TPU has joined {address} yet: waiting for one."]
    assert not ledger.rows


def wait_for(reached: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        time.sleep(0.01)


def waiting(folder: Path) -> list[int]:
    """The model processes that were asked to wait for the gate."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("waits-*")]


def test_the_case_of_a_killed_worker_is_done_elsewhere(
    address: str, cohort: Path, tmp_path: Path
) -> None:
    """The worker is killed, mid-case, with nobody to say good-bye; its nanny starts another."""
    gate = tmp_path / "gate" / "open"
    gate.parent.mkdir()
    request = Request(HOLD, {"level": 100, "gate": str(gate)}, tmp_path / "out")
    ended: list[str] = []
    watch = Watch(ended=lambda outcome: ended.append(outcome.case.name))
    crew = lambda _: ClusterCrew(Cluster(address, resource="GPU"))  # noqa: E731
    found = cases.find(cohort / "ward")
    kept: list[Any] = []
    run = threading.Thread(target=lambda: kept.append(keep_books(request, found, crew, watch)))
    run.start()
    wait_for(lambda: len(waiting(gate.parent)) == 2)
    killed = psutil.Process(waiting(gate.parent)[0]).parent()
    children = killed.children()
    killed.kill()
    gate.touch()
    wait_for(lambda: not run.is_alive())
    assert sorted(ended) == ["a", "b", "c", "d"]
    assert dict(kept[0].counts) == {"done": 4}
    assert {path.name for path in (tmp_path / "out").glob("*_mask.png")} == {
        f"{name}_mask.png" for name in "abcd"
    }
    psutil.wait_procs(children, timeout=60)
    assert not any(child.is_running() for child in children)


def test_studies_of_an_archive_are_fetched_by_the_workers(address: str, tmp_path: Path) -> None:
    if orthanc.PROGRAM is None:
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    from plugins.dicom.network.jobs import open_archive

    paths = []
    for number in range(2):
        pixels = np.full((8, 9), number + 5, np.uint16)
        elements = {"StudyInstanceUID": f"2.25.1{number}", "SeriesInstanceUID": f"2.25.2{number}"}
        paths.append(phantoms.angiogram(tmp_path / f"{number}.dcm", pixels, **elements))
    (tmp_path / "archive").mkdir()
    with orthanc.running(tmp_path / "archive") as archive:
        server = archive.web()
        open_archive(server).send(paths, lambda path: None)
        told: list[str] = []
        url = f"{server.url}/studies?ModalitiesInStudy=XA"
        batch = Batch(request_to(tmp_path / "out", level=5), url, cluster=Cluster(address))
        assert run_batch(batch, told.append)
        names = {path.stem for path in (tmp_path / "out").glob("*.json")}
        assert names == {cases.Remote("", f"2.25.1{number}").name for number in range(2)}
        with pytest.raises(UserError, match="has no study of that kind"):
            Batch(request_to(tmp_path), url.replace("XA", "MR")).cases()
    assert not any(secret in "".join(told) for secret in ("Doe", "2.25.1"))


@contextmanager
def dask_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """One of dask's own commands, and the address that it logs."""
    command = [sys.executable, "-m", "dask", *arguments]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        line = next(line for line in process.stderr or () if re.search(r" at:\s+tcp", line))
        threading.Thread(target=lambda: (process.stderr or sys.stdin).read(), daemon=True).start()
        yield process, re.search(r"tcp://\S+", line)[0]
    finally:
        process.kill()
        process.wait()


def test_when_the_scheduler_is_killed_the_rest_can_be_done_later(
    cohort: Path, tmp_path: Path, lanes: LocalCrew
) -> None:
    gate = tmp_path / "gate" / "open"
    gate.parent.mkdir()
    request = Request(HOLD, {"level": 100, "gate": str(gate)}, tmp_path / "out")
    found = cases.find(cohort / "ward")
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    with (
        dask_process("scheduler", "--port", "0", *here) as (scheduler, address),
        dask_process("worker", address, "--no-nanny", "--nthreads", "1", *here),
    ):
        before = listening()

        def kill_when_waiting() -> None:
            wait_for(lambda: waiting(gate.parent))
            assert listening() == before
            scheduler.kill()

        threading.Thread(target=kill_when_waiting).start()
        with pytest.raises(UserError, match="is gone: what is finished was kept; start again"):
            keep_books(request, found, lambda _: ClusterCrew(Cluster(address)), Watch())
    assert not list((tmp_path / "out").glob("*.json"))
    assert not list((tmp_path / "out").glob(".limn-working*"))
    gate.touch()
    ledger = keep_books(request, found, lanes.shared, Watch())
    assert dict(ledger.counts) == {"done": 4}


def listening() -> set[tuple[str, int]]:
    """Where this process takes connections."""
    found = psutil.Process().net_connections("inet")
    return {tuple(entry.laddr) for entry in found if entry.status == psutil.CONN_LISTEN}


def test_certificates_are_used_and_wanted(tmp_path: Path) -> None:
    authority = trustme.CA()
    ours = authority.issue_cert("127.0.0.1")
    files = {
        "ca_file": tmp_path / "ca.pem",
        "certificate": tmp_path / "c.pem",
        "key": tmp_path / "k",
    }
    authority.cert_pem.write_to_path(files["ca_file"])
    ours.cert_chain_pems[0].write_to_path(files["certificate"])
    ours.private_key_pem.write_to_path(files["key"])
    security = distributed.Security(
        tls_ca_file=str(files["ca_file"]), tls_scheduler_cert=str(files["certificate"]),
        tls_scheduler_key=str(files["key"]), tls_client_cert=str(files["certificate"]),
        tls_client_key=str(files["key"]), require_encryption=True,
    )  # fmt: skip
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50,
        security=security, protocol="tls://",
    ) as made:  # fmt: skip
        where = Cluster(made.scheduler_address, *(str(file) for file in files.values()))
        assert where.address.startswith("tls://127.0.0.1")
        client = connect(where)
        assert client.nthreads() == {}
        client.close()
        with pytest.raises(UserError, match="needs a key"):
            connect(replace(where, key=str(tmp_path / "absent")))
        trustme.CA().cert_pem.write_to_path(files["ca_file"])
        with pytest.raises(UserError, match="does not answer"):
            connect(where)
