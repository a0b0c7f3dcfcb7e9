"""Cameras beside the service: shown to those who may, masked, and read again on request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streamer.errors import ConfigError
from streamer.service.cameras import Cameras
from streamer.service.server import ServiceServer
from streamer.service.store.database import BusyError
from streamer.settings.service import ServeSettings
from tests.rigs import faces
from tests.rigs.live.web_rig import WhepClient

pytestmark = pytest.mark.slow
SECRET = "an admin's long secret"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ServeSettings:
    folder = tmp_path_factory.mktemp("cameras")
    clip = faces.write(folder / "door.mp4", faces.panned().pictures[:25])
    return ServeSettings.model_validate(
        {
            "live": {"streams": [{"name": "door", "source": str(clip)}], "source": {"loop": True}},
            "service": {"data": folder / "data", "listen": "127.0.0.1:0", "workers": 0, "picture_workers": 1},
        }
    )


@pytest.fixture(scope="module")
def server(settings: ServeSettings) -> Iterator[ServiceServer]:
    with ServiceServer(settings, SECRET) as made:
        yield made


def client(server: ServiceServer, secret: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}", headers={"Authorization": f"Bearer {secret}"}, timeout=30
    )


def test_a_viewer_sees_the_camera_and_nobody_else(server: ServiceServer) -> None:
    with client(server, SECRET) as admin:
        end = time.monotonic() + 60
        while not (found := admin.get("/v1/streams").json())[0]["fps_out"] and time.monotonic() < end:
            time.sleep(0.1)
        assert [stream["name"] for stream in found] == ["door"] and found[0]["fps_out"] > 0
        secrets = {
            role: admin.post("/v1/tokens", json={"label": role, "roles": [role]}).json()["secret"]
            for role in ("view", "submit")
        }
    with client(server, secrets["submit"]) as other:
        assert other.get("/v1/streams").status_code == 403
        assert other.post("/whep/door", content="v=0", headers={"Content-Type": "application/sdp"}).status_code == 403
    with client(server, secrets["view"]) as viewer:
        assert viewer.get("/v1/streams").status_code == 200 and viewer.get("/v1/tokens").status_code == 403
    asyncio.run(watched(server, secrets["view"]))


async def watched(server: ServiceServer, secret: str) -> None:
    url = f"http://127.0.0.1:{server.port}/whep/door"
    async with WhepClient(url, token=secret) as viewer, asyncio.timeout(30):
        while len(viewer.numbers) < 5:
            await asyncio.sleep(0.05)


def test_a_reload_changes_masks_and_is_then_in_the_audit_log(
    server: ServiceServer, settings: ServeSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def reloads() -> list[object]:
        with client(server, SECRET) as admin:
            entries = admin.get("/v1/audit").json()["entries"]
        return [entry["settings"] for entry in entries if entry["action"] == "reload"]

    changed = settings.model_copy(update={"mask": settings.mask.model_copy(update={"style": "solid"})})
    other = settings.model_copy(update={"service": settings.service.model_copy(update={"keep_hours": 1.0})})
    assert other.masks_fingerprint() == settings.masks_fingerprint() != changed.masks_fingerprint()
    server.apply(changed)
    assert reloads() == [{"masks_sha256": changed.masks_fingerprint()}]

    def failing(*_: object) -> None:
        raise BusyError("locked")

    with monkeypatch.context() as patched:
        patched.setattr(Cameras, "apply", failing)
        with pytest.raises(BusyError):
            server.apply(settings)
    assert len(reloads()) == 1, "what was not applied is not in the log"
    with monkeypatch.context() as patched:
        patched.setattr("streamer.service.server.record", failing)
        server.apply(settings)
    assert "reloaded, but the audit log does not say so: locked" in caplog.text and len(reloads()) == 1


def test_without_cameras_a_reload_says_that_there_is_nothing_to_reload(caplog: pytest.LogCaptureFixture) -> None:
    ServiceServer(ServeSettings()).apply(ServeSettings())
    assert [entry.message[:26] for entry in caplog.records] == ["there is nothing to reload"]


def test_a_camera_that_makes_no_sense_is_said_at_once(settings: ServeSettings, tmp_path: Path) -> None:
    live = settings.live.model_validate({"streams": [{"name": "door", "source": "gopher://nowhere"}]})
    service = settings.service.model_copy(update={"data": tmp_path / "data"})
    wrong = settings.model_copy(update={"live": live, "service": service})
    with pytest.raises(ConfigError, match="door: "), ServiceServer(wrong):
        pass
