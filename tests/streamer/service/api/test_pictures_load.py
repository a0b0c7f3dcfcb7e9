"""More pictures at once than the service can take: each is answered, and nothing grows."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest

from tests.rigs.service.picture_clients import send_all
from tests.rigs.service.pictures_server import serving_pictures
from tests.rigs.service.pool_memory import resident
from tests.streamer.pictures.files import portrait

CLIENTS, PICTURES = 20, 200
GROWTH = 40_000_000  # bytes, over two processes


def small(number: int) -> bytes:
    out = io.BytesIO()
    portrait(size=64).rotate(number % 7 - 3).save(out, ("JPEG", "PNG", "WEBP", "TIFF")[number % 4])
    return out.getvalue()


@pytest.mark.slow
def test_every_picture_is_answered(tmp_path: Path) -> None:
    pictures = [small(number) for number in range(PICTURES)]
    with serving_pictures(tmp_path, workers=2, waiting=8, keep=0) as server:
        warm = send_all(server.pictures, pictures[:20], 2)
        processes = set(server.pool.process_numbers)
        before = resident(processes)
        told = send_all(server.pictures, pictures, CLIENTS)
        assert set(server.pool.process_numbers) == processes and len(processes) == 2
        assert resident(processes) - before < GROWTH
        counts = server.pool.counts()
    statuses = Counter(each.status for each in told)
    assert {each.status for each in warm} == {200}
    assert statuses.keys() == {200, 429} and statuses.total() == PICTURES
    assert all(each.retry_after == (each.status == 429) for each in told)
    assert (counts.masked, counts.turned_away) == (statuses[200] + len(warm), statuses[429])
    assert (counts.waiting, counts.busy, counts.lost, server.budget.held) == (0, 0, 0, 0)
    assert sum('"action":"picture"' in entry for entry in server.entries()) == counts.masked
