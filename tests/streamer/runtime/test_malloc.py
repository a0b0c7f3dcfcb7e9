from __future__ import annotations

import platform
import subprocess
import sys
import threading

import pytest

from streamer.live import supervisor as service
from streamer.settings.live import LiveSettings

THREADS = """
import ctypes, sys, threading
from streamer.runtime.malloc import few_heaps
assert sys.argv[1] == "many" or few_heaps()
together = threading.Barrier(6)
def work():
    together.wait()
    kept = [bytearray(1000) for _ in range(1000)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


@glibc
def test_threads_share_two_heaps() -> None:
    heaps = {
        how: subprocess.run(
            [sys.executable, "-c", THREADS, how], capture_output=True, text=True, timeout=60, check=True
        ).stderr.count("Arena ")
        for how in ("few", "many")
    }
    assert heaps["few"] <= 2 < heaps["many"]


HOLES = """
import resource, sys, threading
from streamer.runtime.malloc import few_heaps, return_freed_memory

def rss() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1_000_000

few_heaps()
kept = []
def work():
    pieces = [bytearray(60_000) for _ in range(2000)]
    kept.append(pieces[::7])  # what stays keeps the heap from shrinking
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
before = rss()
assert return_freed_memory()
print(before - rss())
"""


@glibc
def test_memory_freed_between_live_blocks_is_returned() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) > 100, "megabytes of the 240 that were held, 206 of them freed"


def test_a_running_service_returns_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    given = threading.Event()
    monkeypatch.setattr(service, "REPORT_EVERY", 0.1)
    monkeypatch.setattr(service, "return_freed_memory", given.set)
    nobody = LiveSettings.model_validate({"live": {"streams": [{"name": "door", "source": "rtsp://127.0.0.1:9/x"}]}})
    with service.LiveService(nobody) as running:
        running.run(given, duration=10)
    assert given.is_set()
