"""The fake API and its page on a free port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.rigs.service.fake_api import FakeApi, fake_app

WAIT = 20.0  # seconds


@contextmanager
def fake_site(api: FakeApi) -> Iterator[str]:
    """Serves until the end of the block; gives the address of the page, without a slash at its end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(fake_app(api), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="veilcast-fake-api", daemon=True)
        thread.start()
        deadline = time.monotonic() + WAIT
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the fake API does not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            api.stopping = True
            server.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()
