"""Strangers who mean harm, while good clients watch: the picture goes on, newcomers are served, the service stays up.

Some of the attacks in short; `python -m tests.bench.bench_attack` makes all of them, with a service of its own each.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.live.attack_rig.rig import CLIENTS, Outcome, Rig
from tests.live.attack_rig.verdict import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = 2.5
KEEPS = 0.75
"""0.9 on a machine that has nothing else to do."""
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
