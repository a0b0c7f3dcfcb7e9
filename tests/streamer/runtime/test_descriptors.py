from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from streamer.guard.client_caps import fit_descriptor_limit
from streamer.runtime.descriptors import PER_STREAM, RESERVED, ClientDemand, allocate, available, raise_limit
from streamer.settings.live import LiveConfig


@pytest.mark.parametrize(
    ("left", "demands", "shares"),
    [
        (1000, [ClientDemand(100, 3), ClientDemand(200, 1)], [100, 200]),
        (500, [ClientDemand(100, 3), ClientDemand(200, 1)], [100, 200]),
        (250, [ClientDemand(100, 3), ClientDemand(200, 1)], [50, 100]),
        (0, [ClientDemand(100, 3), ClientDemand(200, 1)], [1, 1]),
        (10, [], []),
        (10, [ClientDemand(0, 3), ClientDemand(20, 1)], [1, 10]),
    ],
)
def test_shares(left: int, demands: list[ClientDemand], shares: list[int]) -> None:
    assert allocate(left, demands) == shares


def test_descriptors_left_for_clients() -> None:
    assert available(1024, 2) == 1024 - RESERVED - 2 * PER_STREAM
    assert available(64, 1) == 0


LIVE = LiveConfig.model_validate(
    {"rtsp": "8554", "webrtc": "127.0.0.1:8080", "streams": [{"name": "door", "source": "/dev/video0"}]}
)


def test_caps_stay_where_there_is_room() -> None:
    assert fit_descriptor_limit(LIVE, 20_000) is LIVE


@pytest.mark.parametrize("limit", [128, 200, 256, 512, 1024])
def test_caps_leave_camera_and_recorder_their_descriptors(limit: int, caplog: pytest.LogCaptureFixture) -> None:
    live = fit_descriptor_limit(LIVE, limit)
    used = 3 * live.rtsp_access.max_clients + live.web.max_connections + live.web.max_viewers
    assert used <= max(5, limit - RESERVED - PER_STREAM)
    assert live.rtsp_access.max_clients_per_address <= live.rtsp_access.max_clients
    assert live.web.max_connections_per_address <= live.web.max_connections
    assert (live is LIVE) == (limit == 1024 and used < limit) or "ulimit -n" in caplog.text


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= 300
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300));"
        "from streamer.runtime.descriptors import raise_limit;"
        "assert raise_limit() == 300 == resource.getrlimit(resource.RLIMIT_NOFILE)[0]; assert raise_limit() == 300"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert raise_limit() >= 300
