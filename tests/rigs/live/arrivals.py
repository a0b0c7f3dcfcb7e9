"""When pictures arrive: clients of several RTSP addresses side by side, each as impatient as can be.

Run as a program, SECONDS URL... prints a JSON list per address of (number in the picture, time in seconds); the clock
is the same for all. The time is that of the packet: decoding, which only serves to read the number, does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict

import av
import numpy as np
from av.codec.context import Flags, ThreadType

from tests.rigs.camera.frame_code import ROWS, cell_size, read

Arrivals = list[tuple[int, float]]

_OPTIONS = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "probesize": "32",
    "analyzeduration": "0",
    "fpsprobesize": "0",
}


def measure(urls: list[str], seconds: float) -> list[Arrivals]:
    """What came from each address, received by a process of its own."""
    command = [sys.executable, "-m", "tests.rigs.live.arrivals", str(seconds), *urls]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    return [[(int(number), float(at)) for number, at in arrivals] for arrivals in json.loads(done.stdout)]


def added_delays(direct: Arrivals, through: Arrivals, longest: float = 3.0) -> list[float]:
    """By how many seconds each picture came later `through` veilcast than `direct`ly; those that never came left out.

    A number comes back when the clip begins anew, after more than `longest` seconds.
    """
    times: defaultdict[int, list[float]] = defaultdict(list)
    for number, at in direct:
        times[number].append(at)
    delays = []
    for number, at in through:
        earlier = times[number]
        place = bisect_right(earlier, at)
        if place and at - earlier[place - 1] <= longest:
            delays.append(at - earlier[place - 1])
    return delays


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, bisect_left([(i + 1) / len(ordered) for i in range(len(ordered))], share))]


def _watch(url: str, until: float, found: Arrivals) -> None:
    with av.open(url, "r", format="rtsp", container_options=_OPTIONS, timeout=10) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_type, context.thread_count = ThreadType.NONE, 1
        context.flags |= Flags.low_delay
        for packet in container.demux(stream):
            arrived = time.monotonic()
            if arrived > until:
                return
            for frame in context.decode(packet if packet.size else None):
                side = cell_size(frame.width)
                plane = frame.planes[0]
                luma = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
                # The whole width, for it says how large the squares are.
                if (number := read(np.ascontiguousarray(luma[: ROWS * side, : frame.width]))) is not None:
                    found.append((number, arrived))


def main() -> None:
    seconds, urls = float(sys.argv[1]), sys.argv[2:]
    found: list[Arrivals] = [[] for _ in urls]
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_watch, args=(url, until, list_)) for url, list_ in zip(urls, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 30)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
