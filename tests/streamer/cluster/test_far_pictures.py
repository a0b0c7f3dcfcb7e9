"""`POST /v1/pictures` at a gateway without a free process: a worker elsewhere masks the picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import func, select

from streamer.cluster.gateway import BrokerLink
from streamer.service.pictures import far
from streamer.service.pictures.pool import PicturePool
from streamer.service.server import ServiceServer
from streamer.service.store.tables import AskedPictureRow
from streamer.settings.service import ServeSettings
from tests.rigs.cluster.far_work import Office
from tests.rigs.service.running import photo


@pytest.fixture(autouse=True)
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PicturePool, "full", property(lambda _: True))


@contextmanager
def gateway(office: Office) -> Iterator[httpx.Client]:
    given = {
        "data": office.folder / "gateway",
        "listen": "127.0.0.1:0",
        "database": office.address,
        "blobs": str(office.folder / "blobs"),
        "broker": office.broker,
        "picture_workers": 1,
    }
    settings = ServeSettings.model_validate({"service": given})
    with (
        ServiceServer(settings, elsewhere=BrokerLink(office.broker)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client,
    ):
        yield client


def none_waits(office: Office, blobs: int) -> None:
    """Wait until nothing of pictures is left but what the cache keeps."""
    end = time.monotonic() + 30
    while True:
        with office.database.reading() as session:
            rows = session.scalar(select(func.count()).select_from(AskedPictureRow))
        if (rows, len(list(office.blobs.names()))) == (0, blobs):
            return
        assert time.monotonic() < end, f"{rows} pictures wait"
        time.sleep(0.05)


def test_a_worker_elsewhere_masks_it(office: Office) -> None:
    with gateway(office) as client, office.worker("w", "--concurrency", "0", "--pictures", "1"):
        answer = client.post("/v1/pictures", content=photo())
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/jpeg" and answer.headers["x-veilcast-faces"] == "1"
        assert answer.content != photo()
        none_waits(office, 1)
        junk = client.post("/v1/pictures", content=b"no picture")
        assert junk.status_code == 415
        none_waits(office, 1)


def test_it_is_answered_429_if_no_worker_takes_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far, "UNTAKEN", 0.5)
    with gateway(office) as client:
        answer = client.post("/v1/pictures", content=photo())
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        none_waits(office, 0)


def test_whoever_hangs_up_leaves_nothing(office: Office) -> None:
    with gateway(office) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/pictures", content=photo(), timeout=1.0)
        none_waits(office, 0)
