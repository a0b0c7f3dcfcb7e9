"""`veilcast serve` as a process: how it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.rigs.service.serve_process import ServeProcess

pytestmark = pytest.mark.slow


def test_a_second_signal_ends_it_without_waiting_for_requests(tmp_path: Path) -> None:
    begun, over = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        for number in range(600):
            if over.is_set():
                return
            yield bytes(1000)
            if number == 3:
                begun.set()
            time.sleep(0.1)

    with (
        ServeProcess(tmp_path / "data", tmp_path / "log", "--workers", "0", "--grace", "300") as serve,
        ThreadPoolExecutor(1) as pool,
    ):
        url = serve.start()
        sending = pool.submit(httpx.post, f"{url}/v1/uploads", content=slowly(), timeout=60)
        try:
            assert begun.wait(20)
            os.kill(serve.pid, signal.SIGTERM)
            time.sleep(1)
            assert not sending.done(), "the first one lets requests go on"
            code, seconds, left_behind = serve.stop()
            assert (code, left_behind) == (130, []) and seconds < 20
        finally:
            over.set()
        assert isinstance(sending.exception(20), httpx.TransportError) or sending.result().status_code == 503
    last = serve.log.splitlines()[-1]
    assert last == "veilcast: interrupted; requests that had not ended were cut off"
