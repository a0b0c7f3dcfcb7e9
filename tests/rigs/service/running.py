"""The whole service, running in this process on a free port."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx

from streamer.service.server import ServiceServer
from streamer.settings.service import ServeSettings
from tests.rigs import faces

FINAL = ("done", "failed", "cancelled")


@contextmanager
def running_service(folder: Path, token: str | None = None, **service: object) -> Iterator[httpx.Client]:
    """A client of a service that keeps its data in `folder`; `service`: settings of it."""
    given = {"data": folder, "listen": "127.0.0.1:0", "workers": 1, "picture_workers": 1, **service}
    settings = ServeSettings.model_validate({"service": given})
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with (
        ServiceServer(settings, token) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=60) as client,
    ):
        yield client


@functools.cache
def photo(scale: float = 1.0) -> bytes:
    """A JPEG with a face."""
    picture = cv2.resize(faces.astronaut(), None, fx=scale, fy=scale)
    done, coded = cv2.imencode(".jpg", picture)
    assert done
    return coded.tobytes()


def film(folder: Path, count: int = 20) -> bytes:
    """An MP4 with a face that moves."""
    return faces.write(folder / "film.mp4", faces.panned().pictures[:count]).read_bytes()


def submitted(client: httpx.Client, content: bytes, **body: object) -> dict[str, object]:
    """A job for a file that is uploaded first."""
    upload = client.post("/v1/uploads", content=content)
    assert upload.status_code == 201, upload.text
    job = client.post("/v1/jobs", json={"upload": upload.json()["id"], **body})
    assert job.status_code == 202, job.text
    found: dict[str, object] = job.json()
    return found


def ended(client: httpx.Client, job: object, timeout: float = 120.0) -> dict[str, object]:
    """The job, once it has ended."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found: dict[str, object] = client.get(f"/v1/jobs/{job}").raise_for_status().json()
        if found["state"] in FINAL:
            return found
        time.sleep(0.1)
    raise AssertionError(f"it has not ended: {found}")
