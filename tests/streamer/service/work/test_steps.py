"""Steps of jobs in real processes, well-behaved ones and others."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from streamer.file.report import Report
from streamer.service.jobs.job import JobState
from streamer.service.jobs.settings import JobSettings
from streamer.service.jobs.step import Claim, StepKind
from streamer.service.store.blobs import Blobs
from streamer.service.store.tables import UnitRow
from streamer.service.work import job_process, step_work
from streamer.service.work.doorbell import Doorbell
from streamer.service.work.originals import KeptOriginals
from streamer.service.work.step_work import JobLimits, StepWork
from streamer.settings.file import Settings
from tests.rigs.containers import needs_ffmpeg
from tests.rigs.service.ledger import BEN, Ledger

LIMITS = JobLimits(memory=200 << 20, seconds=60, file_bytes=1 << 30)
Steps = Callable[[], list[StepKind]]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "work").mkdir()
    return Ledger(tmp_path)


@pytest.fixture
def work(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[StepWork]:
    """Does steps in `bad_process`; nothing is left of them but an original."""
    monkeypatch.setattr(job_process, "_MODULE", "tests.rigs.service.bad_process")
    monkeypatch.setattr(job_process, "_KEPT", (*job_process._KEPT, "PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))
    scratch = ledger.folder / "work"
    kept = KeptOriginals(scratch / "kept")
    stopping = threading.Event()
    yield StepWork(ledger.leases, ledger.blobs, scratch, Settings(), LIMITS, Doorbell(), stopping, kept)
    assert not scratch.exists() or {path.name for path in scratch.iterdir()} <= {"kept"}


def submit(ledger: Ledger, content: str) -> str:
    return ledger.jobs.submit(BEN, ledger.upload(content=content.encode()), JobSettings()).job.id


def do_all(ledger: Ledger, work: StepWork) -> list[StepKind]:
    """Do what there is to do, and say what that was."""
    done = list[StepKind]()
    while (claim := ledger.leases.claim("w")) is not None:
        work.do(claim)
        done.append(claim.kind)
    return done


def test_cut_masked_and_joined(ledger: Ledger, work: StepWork, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched, fetch = list[str](), Blobs.fetch

    def counted(blobs: Blobs, names: Iterable[str], target: Path) -> None:
        fetched.append(target.name)
        fetch(blobs, list(names), target)

    monkeypatch.setattr(Blobs, "fetch", counted)
    job = submit(ledger, "cut well")
    unit, kinds = StepKind.UNIT, do_all(ledger, work)
    assert kinds == [StepKind.WHOLE, unit, unit, unit, StepKind.JOIN]
    done = ledger.jobs.get(BEN, job)
    assert done.result is not None and b"".join(ledger.blobs.read(done.result.blob)) == b"unit 0; unit 1; unit 2; "
    assert fetched == ["original", "unit-00000", "unit-00001", "unit-00002"], "the original came once"
    assert list((ledger.folder / "work" / "kept").iterdir()) == [] and ledger.blob_count() == 1


@pytest.mark.parametrize("deed", ["badly", "deeply"])
def test_a_plan_is_not_trusted(ledger: Ledger, work: StepWork, deed: str) -> None:
    job = submit(ledger, f"cut {deed}")
    assert do_all(ledger, work) == [StepKind.WHOLE] * 3
    assert ledger.jobs.get(BEN, job).reason == "its process left a plan that is none"


def test_a_poison_unit_fails_its_job_alone(ledger: Ledger, work: StepWork) -> None:
    job, other = submit(ledger, "cut poison"), submit(ledger, "cut well")
    do_all(ledger, work)
    failed = ledger.jobs.get(BEN, job)
    assert (failed.state, failed.reason) == (JobState.FAILED, "crashed (signal 11)")
    assert ledger.jobs.get(BEN, other).state is JobState.DONE and ledger.blob_count() == 1


@pytest.mark.parametrize("where", ["unit", "join"])
def test_units_that_do_not_fit_together_are_masked_whole(ledger: Ledger, work: StepWork, where: str) -> None:
    job = submit(ledger, f"cut {where}")
    kinds = do_all(ledger, work)
    assert kinds[-2:] == [StepKind(where), StepKind.WHOLE]
    done = ledger.jobs.get(BEN, job)
    assert done.result is not None and b"".join(ledger.blobs.read(done.result.blob)) == b"whole"
    assert done.reason is None and ledger.blob_count() == 1


def test_what_another_version_has_planned_is_left_to_it_and_masked_whole_in_the_end(
    ledger: Ledger, work: StepWork
) -> None:
    job = submit(ledger, "cut well")
    work.do(ledger.claim())
    with ledger.database.writing() as session:
        session.execute(update(UnitRow).values(span='{"of": "another version"}'))
    work._base = None  # as on another machine
    for _ in range(3):
        work.do(claimed(ledger))
    assert ledger.jobs.get(BEN, job).state is JobState.RUNNING and rows(ledger) == 3
    work._base = Settings()
    work.do(claimed(ledger))
    assert rows(ledger) == 0 and do_all(ledger, work) == [StepKind.WHOLE]
    assert ledger.jobs.get(BEN, job).state is JobState.DONE


def rows(ledger: Ledger) -> int:
    with ledger.database.reading() as session:
        return session.scalar(select(func.count()).select_from(UnitRow)) or 0


def claimed(ledger: Ledger) -> Claim:
    claim = ledger.claim()
    assert claim.kind is StepKind.UNIT
    return claim


@pytest.mark.parametrize("stop", [True, False])
def test_a_stopping_worker_gives_its_unit_back_and_a_cancelled_one_ends(
    ledger: Ledger, work: StepWork, monkeypatch: pytest.MonkeyPatch, stop: bool
) -> None:
    monkeypatch.setattr(step_work, "LOOK", 0.0)
    note = ledger.folder / "pid"
    job = submit(ledger, f"cut hang {note}")
    work.do(ledger.claim())
    work.do(claimed(ledger))
    claim = claimed(ledger)
    thread = threading.Thread(target=work.do, args=(claim,))
    thread.start()
    while not (note.exists() and note.read_text()):
        thread.join(0.05)
        assert thread.is_alive()
    if stop:
        work._stopping.set()
    else:
        ledger.jobs.delete(BEN, job)
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    with ledger.database.reading() as session:
        left = session.execute(select(UnitRow.attempts, UnitRow.lease).where(UnitRow.number == 1)).all()
    assert [tuple(row) for row in left] == ([(0, None)] if stop else [])
    assert ledger.blob_count() == (2 if stop else 0)
    work.kept.tidy(ledger.leases.running)
    assert not (ledger.folder / "work" / "kept" / job).exists()


def test_at_most_one_original_is_kept(tmp_path: Path) -> None:
    kept = KeptOriginals(tmp_path / "kept")
    for name in ("a", "b"):
        (tmp_path / "original").write_text(name)
        kept.keep(name, tmp_path / "original")
    assert not kept.take("a", tmp_path / "x") and kept.take("b", tmp_path / "x")
    assert (tmp_path / "x").read_text() == "b" and not kept.take("b", tmp_path / "y")
    kept.keep("b", tmp_path / "x")
    kept.tidy(lambda names: set(names))
    assert (tmp_path / "kept" / "b").exists()
    kept.tidy(lambda _: set())
    assert not (tmp_path / "kept" / "b").exists()


@needs_ffmpeg
@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "units"), [(95, 2), (30, 1)])
def test_a_real_recording_is_cut_and_joined(seconds: int, units: int, ledger: Ledger) -> None:
    film = ledger.folder / "film.mp4"
    picture, sound = f"testsrc2=s=160x120:r=5:d={seconds}", f"sine=d={seconds}"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-g", "20"]
    subprocess.run([*make, "-pix_fmt", "yuv420p", str(film)], check=True, timeout=60)
    ledger.uploads.max_bytes = 1 << 30
    job = ledger.jobs.submit(BEN, ledger.upload(content=film.read_bytes()), JobSettings(config="fast")).job.id
    scratch = ledger.folder / "work"
    limits, kept = JobLimits(2000 << 20, 100, 1 << 30), KeptOriginals(scratch / "kept")
    work = StepWork(ledger.leases, ledger.blobs, scratch, Settings(), limits, Doorbell(), threading.Event(), kept)
    kinds = do_all(ledger, work)
    cut = [StepKind.UNIT] * units + [StepKind.JOIN] if units > 1 else []
    assert kinds == [StepKind.WHOLE, *cut], ledger.jobs.get(BEN, job).reason
    done = ledger.jobs.get(BEN, job)
    assert done.state is JobState.DONE and done.report is not None, done.reason
    report = Report.model_validate_json(b"".join(ledger.blobs.read(done.report)))
    assert (report.units, report.frames, report.audio) == (units, 5 * seconds, "keep")
    assert report.looked_at is not None and report.uncopied is None
