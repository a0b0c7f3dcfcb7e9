from __future__ import annotations

import platform
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from streamer.live.heaps import few_heaps
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_threads_share_two_heaps() -> None:
    heaps = {
        how: subprocess.run(
            [sys.executable, "-c", THREADS, how], capture_output=True, text=True, timeout=60, check=True
        ).stderr.count("Arena ")
        for how in ("few", "many")
    }
    assert heaps["few"] <= 2 < heaps["many"]
