"""PostgreSQL or S3 go away and come back: who asks meanwhile is told so, and nothing is lost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from streamer.errors import ConfigError
from streamer.service.store import bucket
from streamer.service.store.data_folder import DataFolder
from tests.rigs.cluster.gateways import new_place
from tests.rigs.cluster.postgres_server import PASSWORD, PostgresServer
from tests.rigs.cluster.s3_server import S3Server
from tests.rigs.cluster.server_process import free_port
from tests.rigs.service.running import ended, film, photo, submitted

pytestmark = pytest.mark.slow


def until(holds: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_without_s3_pictures_are_masked_and_uploads_refused(
    postgres: PostgresServer, own_s3: S3Server, tmp_path: Path
) -> None:
    content = film(tmp_path)
    with (
        patch.object(bucket, "_TRIES", 1),
        new_place(postgres, own_s3) as place,
        place.gateways(tmp_path, 0) as [client],
    ):
        until(lambda: client.get("/readyz").status_code == 200, "ready")
        own_s3.kill()
        assert client.get("/readyz").json() == {"ready": False, "failed": ["storage"]}
        refused = client.post("/v1/uploads", content=content)
        assert refused.status_code == 507 and "the storage does not answer" in refused.json()["detail"]
        masked = client.post("/v1/pictures", content=photo(0.5))
        assert masked.status_code == 200 and masked.headers["x-veilcast-cache"] == "miss"
        own_s3.start()
        assert client.get("/readyz").json() == {"ready": True, "failed": []}
        assert client.post("/v1/uploads", content=content).status_code == 201


def test_jobs_outlive_a_restart_of_the_database_and_of_s3(
    own_postgres: PostgresServer, own_s3: S3Server, tmp_path: Path
) -> None:
    if own_s3.program is None:
        pytest.skip("moto forgets everything when it ends")
    content = film(tmp_path, 60)
    with (
        patch("streamer.service.work.worker.TROUBLE", 0.5),
        patch("streamer.service.work.worker.PAUSE", 0.2),
        new_place(own_postgres, own_s3) as place,
        place.gateways(tmp_path, 1, 0) as [client, other],
    ):
        jobs = [str(submitted(client, content, settings={"style": style})["id"]) for style in ("blur", "solid")]
        until(lambda: other.get("/readyz").status_code == 200, "ready")
        until(lambda: client.get(f"/v1/jobs/{jobs[0]}").json()["state"] != "queued", "it begins")
        own_postgres.kill()
        answer = other.get(f"/v1/jobs/{jobs[0]}")
        assert answer.status_code == 503 and "the database cannot be reached" in answer.json()["detail"], answer.text
        assert other.get("/readyz").json()["failed"] == ["database"] and other.get("/healthz").status_code == 200
        own_postgres.start()
        until(lambda: other.get("/readyz").status_code == 200, "the gateway finds the database again")
        own_s3.restart()
        for job in jobs:
            done = ended(other, job)
            assert done["state"] == "done", done
            result = done["result"]
            assert isinstance(result, dict)
            assert hashlib.sha256(other.get(f"/v1/jobs/{job}/result").content).hexdigest() == result["sha256"]
        entries = other.get("/v1/audit", params={"limit": 200}).json()["entries"]
        assert sorted(entry["job"] for entry in entries if entry["action"] == "result") == sorted(jobs), "once each"


def test_a_database_that_is_not_there_is_one_line_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://veilcast:{PASSWORD}@127.0.0.1:{free_port()}/none"
    with pytest.raises(ConfigError) as caught:
        DataFolder.open(tmp_path / "data", url, str(tmp_path / "blobs"))
    [line] = caught.value.lines
    assert "service.database" in line and "refused" in line and PASSWORD not in line and "\n" not in line
