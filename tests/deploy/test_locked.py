"""Gateway and worker do their work with the rights that `deploy/` leaves them, with every secret in a file."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import httpx
import pytest

from tests.rigs import faces
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.redis_server import RedisServer
from tests.rigs.cluster.s3_server import S3Server
from tests.rigs.cluster.small_cluster import SmallCluster, environment_with, worker_process
from tests.rigs.deploy.locked import locked, missing_lock
from tests.rigs.service.kill_judge import masked_picture
from tests.rigs.service.kill_rig import picture, video
from tests.rigs.service.serve_process import ServeProcess

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing_lock() is not None, reason=missing_lock() or "")]
TOKEN = "a token that no other one guesses"


def test_a_picture_and_a_job_are_done(
    tmp_path: Path, postgres: PostgresServer, redis_server: RedisServer, s3: S3Server
) -> None:
    variables = {"AWS_ENDPOINT_URL": s3.environment["AWS_ENDPOINT_URL"], "VEILCAST_BLOBS": s3.new_place()}
    secrets = {name: s3.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    secrets |= {"VEILCAST_DATABASE": postgres.new_database(), "VEILCAST_BROKER": redis_server.url}
    for name, value in (secrets | {"VEILCAST_TOKEN": TOKEN}).items():
        (tmp_path / name).write_text(f"{value}\n", "utf-8")
        variables[f"{name}_FILE"] = str(tmp_path / name)
    own = tmp_path / "own"
    own.mkdir()
    inside = locked(own)
    with (
        environment_with(variables),
        ServeProcess(own / "gateway", tmp_path / "gateway.log", prefix=inside) as gateway,
    ):
        url = gateway.start()
        assert "Landlock" not in gateway.log, gateway.log
        for _ in range(600):  # as a load balancer does
            if httpx.get(f"{url}/readyz", timeout=60).status_code == 200:
                break
            time.sleep(0.1)
        status = Path(f"/proc/{gateway.pid}/status").read_text("utf-8")
        assert "CapBnd:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
        before, box, content = picture()
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{url}/v1/pictures", content=content, headers=bearer, timeout=60)
        assert answer.status_code == 200, answer.text
        assert masked_picture(before, box, answer.content)
        cluster = SmallCluster(url, (), gateway.pid, bearer)
        job = cluster.submit(cluster.send(faces.write(tmp_path / "video.mp4", video(1, 10).pictures)))
        with worker_process(own / "worker", inside):
            told = cluster.ended(job)
        result = httpx.get(f"{url}/v1/jobs/{job}/result", headers=bearer, timeout=60).content
        assert hashlib.sha256(result).hexdigest() == told["result"]["sha256"]
