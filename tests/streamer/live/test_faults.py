"""What clients get while something goes wrong: never a raw face, soon a masked picture again, and sinks stay apart.

A few rounds of the commonest faults; `python -m tests.bench.bench_faults` has all of them, twenty times each.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.faults.clips import Footage, small_footage
from tests.rigs.faults.faults import FAULTS, Outcome, outcomes, run
from tests.rigs.faults.judge import Judge, Judgement
from tests.rigs.faults.rig import Options, Rig

pytestmark = pytest.mark.slow

RECOVERY = 10.0  # seconds; 3 on a machine that has nothing else to do


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return small_footage(tmp_path_factory.mktemp("clip"))


@dataclass(frozen=True)
class Told:
    judgement: Judgement
    faults: Mapping[str, Outcome]
    said: str


def endure(footage: Footage, folder: Path, names: list[str], rounds: int) -> Told:
    faults = [FAULTS[name] for name in names]
    options = Options(injected=any(f.injected for f in faults), sinks=any(f.sink for f in faults), disk_mb=4)
    with Rig(footage, folder, options) as rig:
        injections = list(run(rig, faults, rounds, random.Random(7), brief=True))
        assert rig.recorder.running, "the client was never disconnected"
        said = "\n".join(list(rig.live.said))
    judgement = Judge(footage.originals, folder / "leaks").judge(rig.recorder.frames())
    assert judgement.leaks == [], f"see {folder / 'leaks'}"
    assert judgement.compared > 5 * len(injections) and "Traceback" not in said
    found = outcomes(injections, judgement, footage.count)
    for name, outcome in found.items():
        assert outcome.proven == outcome.rounds, f"{name} was not there"
        assert max(outcome.recoveries) < RECOVERY, f"{name}: {outcome.recoveries}"
    return Told(judgement, found, said)


def test_detectors_and_encoders_that_fail(footage: Footage, tmp_path: Path) -> None:
    names = ["detector-hangs", "detector-raises", "detector-dies"]
    told = endure(footage, tmp_path, [*names, "encoder-raises"], 1)
    assert all(told.faults[name].whole > 5 for name in names), "masked whole meanwhile"
    assert "RuntimeError: told to raise" in told.said and "the detector thread died" in told.said
    assert "the encoder failed: EncoderError: told to raise" in told.said


def test_cameras_that_fail_and_sinks_that_leave_each_other_alone(footage: Footage, tmp_path: Path) -> None:
    sinks = ["disk-full", "client-stalls", "push-dead"]
    cameras = ["camera-killed", "camera-paused", "camera-garbled", "camera-resized"]
    told = endure(footage, tmp_path, [*cameras, *sinks], 1)
    assert {shown.original for shown in told.judgement.shown} == {0, 1, None}, "both sizes, and slates"
    assert {name: told.faults[name].lost for name in sinks} == dict.fromkeys(sinks, 0)
    assert "cannot record to" in told.said and "cannot push to" in told.said
