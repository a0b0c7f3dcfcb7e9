"""The whole service: what a user gets, and what is left of it after a restart."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import cv2
import httpx
import numpy as np
import pytest

from streamer.errors import ConfigError
from streamer.service.access.caller import Role
from streamer.service.access.tokens import Tokens
from streamer.service.audit.checkpoint import checkpoint_files, opened_note
from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.audit.keys import AuditKey
from streamer.service.audit.log import record
from streamer.service.audit.reading import newest_entries
from streamer.service.server import ServiceServer
from streamer.service.store.data_folder import DataFolder
from streamer.service.work.keeper import Keeper
from streamer.service.work.worker import Worker
from streamer.settings.service import ServeSettings
from tests.rigs.service.running import ended, film, photo, running_service, submitted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_service(tmp_path_factory.mktemp("service") / "data") as made:
        yield made


def test_a_picture_comes_back_masked(client: httpx.Client) -> None:
    answer = client.post("/v1/pictures", content=photo())
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg", answer.text
    assert answer.headers["x-veilcast-faces"] == "1" and answer.headers["x-veilcast-cache"] == "miss"
    before = cv2.imdecode(np.frombuffer(photo(), np.uint8), cv2.IMREAD_COLOR)
    after = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert before is not None and after is not None and before.shape == after.shape
    difference = np.abs(before.astype(int) - after).mean(axis=2)
    assert difference[90:160, 195:255].mean() > 15 and difference[300:].mean() < 3, "the face, and only the face"
    again = client.post("/v1/pictures", content=photo())
    assert again.content == answer.content and again.headers["x-veilcast-cache"] == "hit"


def test_a_video_is_uploaded_masked_and_fetched(client: httpx.Client, tmp_path: Path) -> None:
    content = film(tmp_path)
    job = submitted(client, content, settings={"masks": True, "audio": "drop"})
    assert job["state"] in ("queued", "running", "done") and job["settings"] == {
        "config": "default",
        "style": None,
        "cover": None,
        "audio": "drop",
        "verify": False,
        "masks": True,
    }
    done = ended(client, job["id"])
    assert done["state"] == "done", done
    result = done["result"]
    assert isinstance(result, dict) and result["type"] == "video/mp4"
    place = f"/v1/jobs/{job['id']}"
    whole = client.get(f"{place}/result")
    assert hashlib.sha256(whole.content).hexdigest() == result["sha256"] and whole.content != content
    assert whole.headers["content-disposition"].startswith("attachment") and "sandbox" in str(whole.headers)
    part = client.get(f"{place}/result?inline=1", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert client.get(f"{place}/result", headers={"Range": "bytes=-10"}).content == whole.content[-10:]
    beyond = client.get(f"{place}/result", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    report = client.get(f"{place}/report").json()
    assert report["frames"] == 20 and report["input"]["path"] == "original"
    lines = client.get(f"{place}/masks").text.splitlines()
    assert len(lines) > 20 and json.loads(lines[0])
    assert client.get("/v1/jobs").json()["jobs"][0]["id"] == job["id"]
    assert client.delete(place).status_code == 204 and client.get(place).status_code == 404
    assert client.get(f"{place}/result").status_code == 404


def test_a_checked_video_is_in_the_audit_log_as_checked(client: httpx.Client, tmp_path: Path) -> None:
    job = ended(client, submitted(client, film(tmp_path, 5), settings={"verify": True})["id"])
    assert job["state"] == "done", job
    entries = client.get("/v1/audit", params={"limit": 20}).json()["entries"]
    found = [entry for entry in entries if entry.get("job") == job["id"]]
    assert [entry["action"] for entry in found] == ["result", "verify", "submit"]
    assert found[1]["outcome"] == "ok" and found[1]["output_sha256"] == found[0]["output_sha256"]
    assert client.get("/v1/audit", params={"limit": 200}).json()["entries"][-1]["action"] == "settings"


def test_events_tell_of_every_step_until_the_end(client: httpx.Client, tmp_path: Path) -> None:
    job = submitted(client, film(tmp_path, 30), settings={"audio": "keep"})
    states = []
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                states.append(json.loads(line.removeprefix("data: "))["state"])
    assert states[-1] == "done" and set(states) <= {"queued", "running", "done"}


def test_listeners_do_not_hold_up_the_end_and_uploads_do(tmp_path: Path) -> None:
    """Event streams end, well-formed, when the server stops; what is being sent gets an answer."""
    begun = threading.Event()

    def slowly() -> Iterator[bytes]:
        for number in range(10):
            yield bytes(1000)
            if number == 3:
                begun.set()
            time.sleep(0.15)

    def listen(client: httpx.Client, job: str, heard: list[str]) -> None:
        with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            heard.extend(stream.iter_lines())  # RemoteProtocolError if the stream is cut

    with ThreadPoolExecutor(2) as pool:
        with running_service(tmp_path, workers=0, grace=20) as client:
            job, heard = submitted(client, b"no film")["id"], list[str]()
            url = str(client.base_url)
            listening = pool.submit(listen, httpx.Client(base_url=url, timeout=60), str(job), heard)
            sending = pool.submit(httpx.post, f"{url}/v1/uploads", content=slowly(), timeout=60)
            assert begun.wait(20)
            left = time.monotonic()
        assert time.monotonic() - left < 15
        listening.result(10)
        assert any('"queued"' in line for line in heard)
        assert sending.result(10).status_code == 201


def test_a_bad_file_fails_with_its_reason_and_is_gone(client: httpx.Client) -> None:
    job = ended(client, submitted(client, b"this is no film" * 100)["id"])
    assert job["state"] == "failed" and job["result"] is None
    assert "not" in str(job["reason"]) and "/" not in str(job["reason"])
    answer = client.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status_code == 409 and answer.json()["detail"].startswith("the job failed: ")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/v1/jobs", {"upload": "0" * 32}, 404, "no such upload"),
        ("POST", "/v1/jobs", {"upload": "../etc"}, 422, "upload"),
        ("POST", "/v1/jobs", {"upload": "0" * 32, "settings": {"styel": "veil"}}, 422, "styel"),
        ("POST", "/v1/jobs", {"upload": "0" * 32, "webhook": {}}, 422, "url"),
        ("GET", "/v1/jobs/nothing", None, 404, "no such job"),
        ("GET", "/v1/jobs?before=" + "0" * 32, None, 404, "no such job"),
        ("GET", "/v1/jobs?limit=1000", None, 422, "limit"),
        ("DELETE", "/v1/uploads/none", None, 404, "no such upload"),
        ("GET", "/v1/nothing", None, 404, ""),
        ("PUT", "/v1/jobs", {}, 405, ""),
    ],
)
def test_errors_are_problem_documents(
    client: httpx.Client, method: str, path: str, body: object, status: int, says: str
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status and says in answer.text


def test_people_who_mistype_get_a_page_of_the_site(client: httpx.Client) -> None:
    answer = client.get("/abuot", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 404 and answer.headers["content-type"].startswith("text/html")
    for path in ("/abuot", "/", "/v1/jobs", "/docs"):
        headers = client.get(path, headers={"Accept": "text/html,*/*"}).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff" and "veilcast" in headers["server"]


def test_health_and_what_can_be_chosen(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"ready": True, "failed": []}
    with patch("streamer.service.webhooks.sender.WebhookSender.alive", False):
        assert client.get("/readyz").json() == {"ready": False, "failed": ["webhooks"]}
    choices = client.get("/v1/settings").json()
    assert "veil" in choices["styles"] and {"name": "default", "default": True} in choices["configs"]
    assert "veilcast_jobs" in client.get("/metrics").text


def test_a_large_body_where_none_belongs(client: httpx.Client) -> None:
    answer = client.post("/v1/jobs", content=b"x" * 100_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_restart_keeps_jobs_and_results(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_service(folder, workers=0) as client:
        waiting = submitted(client, film(tmp_path))
        assert waiting["state"] == "queued" and waiting["place"] == 1
    with running_service(folder) as client:
        done = ended(client, waiting["id"])
        assert done["state"] == "done"
        content = client.get(f"/v1/jobs/{waiting['id']}/result").content
    with running_service(folder) as client:
        assert client.get(f"/v1/jobs/{waiting['id']}/result").content == content
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"


def test_the_last_checkpoint_covers_what_others_add_while_they_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, notes = DataFolder.open(tmp_path / "data"), tmp_path / "notes"
    missing = running_service(tmp_path / "data", checkpoints=notes)
    with pytest.raises(ConfigError, match="no such folder for checkpoints"):
        missing.__enter__()
    notes.mkdir()

    def closing(close: Callable[..., object]) -> Callable[..., object]:
        def noted(self: object, *others: object) -> object:
            with folder.database.writing() as session:
                record(session, AuditEntry(AuditAction.RESULT, "system"), 0.0)
            return close(self, *others)

        return noted

    for part in (Worker, Keeper):
        monkeypatch.setattr(part, "close", closing(part.close))
    with running_service(tmp_path / "data", checkpoints=notes):
        pass
    last = max(checkpoint_files(notes), key=lambda path: path.name)
    key = AuditKey.of(folder.database, folder.audit_key).public
    [newest] = newest_entries(folder.database, 1)
    assert json.loads(newest.text)["action"] == "result"
    assert opened_note(last.read_bytes(), key).size == json.loads(newest.text)["number"]
    folder.close()


def test_only_one_server_has_a_folder(tmp_path: Path) -> None:
    second = running_service(tmp_path / "data")
    with running_service(tmp_path / "data"), pytest.raises(ConfigError, match="another veilcast serve"):
        second.__enter__()


def test_what_the_kernel_lacks_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamer.service.server.lacking", lambda: "this kernel has no Landlock")
    settings = ServeSettings.model_validate({"service": {"data": tmp_path / "data", "listen": "0.0.0.0:0"}})
    with pytest.raises(ConfigError), ServiceServer(settings):
        pass
    said = [(line.levelname, line.message) for line in caplog.records if "Landlock" in line.message]
    assert said == [("WARNING", "this kernel has no Landlock")]


def test_other_addresses_need_a_token(tmp_path: Path) -> None:
    settings = ServeSettings.model_validate({"service": {"data": tmp_path / "data", "listen": "0.0.0.0:0"}})
    with pytest.raises(ConfigError, match="a valid token is needed"), ServiceServer(settings):
        pass
    folder = DataFolder.open(tmp_path / "data")
    tokens = Tokens(folder.database)
    tokens.revoke(tokens.create("x", [Role.ADMIN])[0])
    folder.close()
    with pytest.raises(ConfigError, match="a valid token is needed"), ServiceServer(settings):
        pass
    with pytest.raises(ConfigError, match="at least 16"), ServiceServer(settings, token="short"):
        pass


def test_tokens_see_nothing_of_each_other(tmp_path: Path) -> None:
    secret = "an admin's long secret"
    with running_service(tmp_path / "data", token=secret, workers=0) as admin:
        assert httpx.get(admin.base_url.join("/v1/jobs")).status_code == 401
        made = [
            admin.post("/v1/tokens", json={"label": name, "roles": ["submit"]}).raise_for_status().json()["secret"]
            for name in ("anna", "ben")
        ]
        anna, ben = (
            httpx.Client(base_url=admin.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
            for token in made
        )
        job = submitted(anna, film(tmp_path))["id"]
        first, second = (one.post("/v1/pictures", content=photo()) for one in (anna, ben))
        assert first.headers["x-veilcast-cache"] == second.headers["x-veilcast-cache"] == "miss"
        for path in ("", "/result", "/report", "/masks", "/events"):
            assert ben.get(f"/v1/jobs/{job}{path}").status_code == 404, path
        assert ben.delete(f"/v1/jobs/{job}").status_code == 404
        assert ben.get("/v1/jobs").json()["jobs"] == []
        for path in ("/v1/jobs?all=1", "/v1/tokens", "/v1/audit", "/metrics"):
            assert ben.get(path).status_code == 403, path
        assert [found["id"] for found in admin.get("/v1/jobs?all=1").json()["jobs"]] == [job]
        assert admin.get(f"/v1/jobs/{job}/result").status_code == 404, "an admin may cancel it, not see it"
        anna.close()
        ben.close()
