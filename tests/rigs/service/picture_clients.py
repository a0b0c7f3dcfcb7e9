"""Many clients that send pictures all at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

WAIT = 120.0  # seconds


@dataclass(frozen=True)
class Told:
    """An answer: status, whether it says when to come again, bytes, and how long it took in seconds."""

    status: int
    retry_after: bool
    size: int
    seconds: float


def send_all(url: str, pictures: list[bytes], clients: int, patient: bool = False) -> list[Told]:
    """Each client sends its share, one after the other; a patient one comes again after a 429."""
    told: list[Told] = []
    errors: list[BaseException] = []

    def client(mine: list[bytes]) -> None:
        try:
            with httpx.Client(timeout=WAIT) as http:
                for picture in mine:
                    told.append(_send(http, url, picture, patient))
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's thread
            errors.append(error)

    threads = [
        threading.Thread(target=client, args=(pictures[number::clients],), name=f"veilcast-test-client-{number}")
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return told


def _send(http: httpx.Client, url: str, picture: bytes, patient: bool) -> Told:
    deadline, clock = time.monotonic() + WAIT, time.monotonic
    while True:
        begun = clock()
        answer = http.post(url, content=picture)
        if answer.status_code != 429 or not patient or clock() > deadline:
            return Told(answer.status_code, "retry-after" in answer.headers, len(answer.content), clock() - begun)
        time.sleep(0.05)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
