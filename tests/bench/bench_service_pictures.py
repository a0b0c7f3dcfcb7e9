"""Pictures through the service: what HTTP costs, and how it stands many clients at once.

    python -m tests.bench.bench_service_pictures [--pictures 2000] [--clients 50] [--rounds 15] [--workers 2]

Prints the time of a 1080p picture as a call and over HTTP, best and median, then the load: answers, pictures a second,
memory of the processes at its beginning and end. Exits with 1 if HTTP costs more than 15 % (of the best times: medians
tell how busy the machine is), if any picture was not answered, or if memory grew by more than 50 MB a process.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
from PIL import Image

from core.still import StillAnonymizer
from streamer.pictures.job import mask_picture
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.file import Settings
from tests.rigs.service.picture_clients import WAIT, send_all, timed
from tests.rigs.service.pictures_server import serving_pictures
from tests.rigs.service.pool_memory import resident
from tests.streamer.pictures.files import portrait

MOST_COST, MOST_GROWTH = 0.15, 50_000_000


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    cost = cost_of_http(options.rounds)
    fine = load(options.pictures, options.clients, options.workers)
    return 0 if cost <= MOST_COST and fine else 1


def cost_of_http(rounds: int) -> float:
    """What HTTP adds to the best time of a 1080p picture, as a share; call and request take turns."""
    one_opencv_thread()
    settings, engine, picture = Settings(), StillAnonymizer(Settings()), full_hd()
    calls, requests = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_pictures(Path(folder), keep=60) as server,
        httpx.Client(timeout=WAIT) as http,
    ):

        def post(sent: bytes) -> None:
            http.post(server.pictures, content=sent).raise_for_status()

        for number in range(rounds + 1):  # the first of each is not counted
            sent = picture + number.to_bytes(2, "big")  # behind its end: the cache has not seen it
            calls.append(timed(partial(mask_picture, sent, settings, engine)))
            requests.append(timed(partial(post, sent)))
        again = timed(partial(post, sent))
    cost = 0.0
    for what, of in (("median", statistics.median), ("best", min)):
        call, request = of(calls[1:]), of(requests[1:])
        cost = request / call - 1
        say(f"1080p, {what}: call {call * 1000:.0f} ms, HTTP {request * 1000:.0f} ms ({cost:+.1%})")
    say(f"the same picture again, from the cache: {again * 1000:.1f} ms")
    return cost


def load(count: int, clients: int, workers: int) -> bool:
    """Many pictures from many clients that come again after a 429. Whether all is well."""
    pictures = [small(number) for number in range(count)]
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_pictures(Path(folder), workers=workers, waiting=16, keep=60) as server,
    ):
        send_all(server.pictures, pictures[: count // 20], workers)
        before = resident(server.pool.process_numbers)
        told = []
        seconds = timed(lambda: told.extend(send_all(server.pictures, pictures, clients, patient=True)))
        after, counts = resident(server.pool.process_numbers), server.pool.counts()
    statuses = Counter(each.status for each in told)
    p50 = statistics.median(each.seconds for each in told if each.status == 200)
    say(f"{count} pictures, {clients} clients: {dict(statuses)}, {count / seconds:.1f} a second")
    say(
        f"p50 of those with a place {p50 * 1000:.0f} ms; turned away {counts.turned_away}, processes lost {counts.lost}"
    )
    say(f"memory of {workers} processes: {before / 1e6:.0f} MB, then {after / 1e6:.0f} MB")
    return statuses.total() == count and statuses.keys() <= {200, 429} and after - before < MOST_GROWTH * workers


def full_hd() -> bytes:
    """Two faces in a picture of 1920 x 1080, as JPEG."""
    picture = portrait(size=1080).resize((1920, 1080))
    picture.paste(portrait(size=512), (1300, 300))
    return _jpeg(picture)


def small(number: int) -> bytes:
    """A face in a picture of 64 x 64, different for each number."""
    picture = portrait(size=64)
    picture.putpixel((63, 63), (number % 256, number // 256 % 256, 0))
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
