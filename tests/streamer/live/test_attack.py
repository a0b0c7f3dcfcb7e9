"""Attacks while good clients watch: the picture goes on, newcomers are served, the service stays up.

Some of the attacks in short; `python -m tests.bench.bench_attack` makes all of them, with a service of its own each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.rigs.attack.rig import CLIENTS, NEWCOMERS, Outcome, Rig
from tests.rigs.attack.verdict import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = 2.5
KEEPS = 0.75
"""0.9 on an otherwise idle machine."""
LOCKED = ("guess-basic", "idle-rtsp", "half-http", "long-digest")
OPEN = ("foreign-host", "open-ports", "giant-headers", "repeated-offers", "abandoned-whep")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    found: dict[str, Outcome] = {}
    for locked, names in ((True, LOCKED), (False, OPEN)):
        descriptors = 1024 if locked else None
        with Rig(tmp_path_factory.mktemp("attacked"), locked=locked, descriptors=descriptors) as rig:
            for name in names:
                # From addresses of its own: who was shut out before may not be let in for the next one.
                strangers = [f"127.0.{len(found) + 1}.{n}" for n in range(2, 6)]
                calm, last = 1.0 if found else 3.0, name == names[-1]
                found[name] = rig.attack(name, SECONDS, strangers, calm=calm, then_stop=last)
    return found


@pytest.mark.parametrize("name", [*LOCKED, *OPEN])
def test_good_clients_notice_nothing_of(name: str, outcomes: Mapping[str, Outcome]) -> None:
    outcome = outcomes[name]
    found = faults(outcome, SECONDS, keeps=KEEPS)
    assert found == [], "\n".join((*found, str(outcome.tally), *outcome.why, *outcome.said))


def test_all_get_their_pictures_when_nobody_attacks(outcomes: Mapping[str, Outcome]) -> None:
    rates = outcomes[LOCKED[0]].rates
    assert all(rates[who][0] > 15 for who in CLIENTS), rates


def test_the_verdict_finds_what_good_clients_would_notice() -> None:
    fine = Outcome(
        attack="idle-rtsp",
        rates=dict.fromkeys(CLIENTS, (25.0, 24.0)),
        gaps={},
        newcomers=dict.fromkeys(NEWCOMERS, (3, 3, 0.5)),
        why=(),
        cpu=(0.3, 0.5, 0.3),
        descriptors=30,
        tally={"401": 12, "guesses": 12},
        said=(),
        ended=2.0,
    )
    assert faults(fine, SECONDS) == []
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"rates": fine.rates | {"recording": (25.0, 22.0)}}, "recording 22.0 of 25.0"),
        ({"newcomers": fine.newcomers | {"whep": (2, 3, 0.5)}}, "newcomers (whep): 2 of 3"),
        ({"newcomers": fine.newcomers | {"page": (3, 3, 6.0)}}, "newcomers (page): 3 of 3 served, up to 6.0 s"),
        ({"cpu": (0.3, 0.9, 0.9)}, "spins"),
        ({"ended": 5.5}, "SIGTERM took 5.5 s"),
        ({"crashed": "exit code -11"}, "crashed"),
        ({"tracebacks": 1}, "1 tracebacks"),
        ({"thrown_out": 1}, "thrown out 1 times"),
        ({"tally": {"guesses": 920}}, "200 guesses/s"),
        ({"tally": {"500": 3}}, "3 answers 500"),
        ({"tally": {"listens on 192.0.2.2 (udp)": 3}}, "listens on 192.0.2.2"),
    )
    for change, found in changes:
        lines = faults(replace(fine, **change), SECONDS)
        assert len(lines) == 1 and found in lines[0], lines
    assert faults(replace(fine, newcomers=dict.fromkeys(NEWCOMERS, (0, 3, 9.0))), SECONDS, shared=True) == []
