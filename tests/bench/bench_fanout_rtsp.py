"""CPU that RTSP viewers over TCP cost the process that serves them: `python -m tests.bench.bench_fanout_rtsp`."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time
from collections import deque

from tests.rigs.live.producing import Producer
from tests.rigs.live.rtsp_client import Client, Serving, serving

_VIEWERS = (0, 1, 5, 20)
_SECONDS = 15.0
_SIZE = (1280, 720)


def _view(port: int, count: int) -> None:
    """Play `count` times and read whatever comes until the server closes: the other process."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        client = Client(port)
        client.set_up()
        client.play()
        client.socket.setblocking(False)
        selector.register(client.socket, selectors.EVENT_READ, client)
    sys.stdout.write("playing\n")
    sys.stdout.flush()
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            if not key.fileobj.recv(1 << 18):
                return


async def _network_seconds() -> float:
    """CPU that the servers' thread has used: the encoder beside it, whose cost varies, is left out."""
    return time.thread_time()


def _measure(serving_: Serving, count: int) -> tuple[float, float, int, int]:
    """Shares of a core of the servers' thread and of the process, viewers there are, and packets lost."""
    command = [sys.executable, "-m", "tests.bench.bench_fanout_rtsp", "view", str(serving_.server.port), str(count)]
    readers = subprocess.Popen(command, stdout=subprocess.PIPE, text=True) if count else None
    try:
        if readers is not None and readers.stdout is not None:
            readers.stdout.readline()
        time.sleep(1)
        cpu, wall = time.process_time(), time.monotonic()
        network = serving_.loop.run(_network_seconds(), 5)
        time.sleep(_SECONDS)
        seconds = time.monotonic() - wall
        network = serving_.loop.run(_network_seconds(), 5) - network
        whole = time.process_time() - cpu
        return network / seconds, whole / seconds, serving_.viewers(), sum(serving_.drops().values())
    finally:
        if readers is not None:
            readers.terminate()
            readers.wait(10)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["view"]:
        _view(int(sys.argv[2]), int(sys.argv[3]))
        return
    sizes: deque[int] = deque(maxlen=250)
    with Producer("door", *_SIZE) as producer, serving(producer.output) as one:
        watch = producer.output.packets.subscribe("bench", 1000)
        first = 0.0
        for count in _VIEWERS:
            network, whole, there, lost = _measure(one, count)
            while (packet := watch.get_nowait()) is not None:
                sizes.append(len(packet.data))
            mbit = sum(sizes) * 8 * 25 / len(sizes) / 1e6
            first = network if count == 1 else first
            more = f", {(network - first) / (count - 1):6.3%} for one more" if count > 1 else ""
            sys.stdout.write(
                f"{there:2d} viewers of {mbit:.1f} Mbit/s: servers' thread {network:6.2%} of a core{more}; "
                f"with the encoder {whole:5.1%}; {lost} packets lost\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
