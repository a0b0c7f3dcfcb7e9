"""Clients that do not give up: they send videos and pictures to a service that is killed again and again."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import httpx

PIECE: Final = 16 * 1024
SLOW: Final = 0.15  # seconds from one piece to the next, so that uploads are cut off, too
PAUSE: Final = 0.1  # seconds
_AGAIN: Final = (429, 503, 507)  # statuses that ask to try again


@dataclass
class Sent:
    """What became of one video. `jobs`: every id that the service gave for it; more than one is a fault."""

    content: bytes
    resumable: bool
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    upload: str = ""
    jobs: set[str] = field(default_factory=set)
    state: str = ""
    resumed: int = 0
    sha256: str = ""
    """Of the result as it was told."""


class Stubborn:
    """Requests that are sent again until they are answered, and what was seen that must never be."""

    def __init__(self, url: Callable[[], str | None], patience: float, token: str | None = None) -> None:
        """`url`: where the service is at the moment. `patience`: seconds for everything."""
        self._url, self._end = url, time.monotonic() + patience
        self._bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._lock = threading.Lock()
        self.faults: list[str] = []
        self.unclaimed = 0
        """Uploads that the service may have taken in, but whose ids were lost on the way."""
        self.statuses: dict[int, int] = {}
        self.refusals: list[str] = []
        """What did not get an answer, or was told to come again later."""

    def fault(self, text: str) -> None:
        """Note what must never be."""
        with self._lock:
            self.faults.append(text)

    def once(
        self,
        method: str,
        path: str,
        lost: Callable[[], None] | None = None,
        headers: dict[str, str] | None = None,
        **more: object,
    ) -> httpx.Response | None:
        """One attempt; None if no whole answer came. `lost`: is told if the service may have got it all the same."""
        url = self._url()
        if url is None:
            time.sleep(PAUSE)
            return None
        try:
            given = {**self._bearer, **(headers or {})}
            answer = httpx.request(method, url + path, headers=given, timeout=60, **more)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            if lost is not None and not isinstance(error, httpx.ConnectError):
                lost()
            self._refused(f"{method} {path}: {error!r}")
            time.sleep(PAUSE)
            return None
        with self._lock:
            self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code in _AGAIN or answer.status_code >= 500:
            self._refused(f"{method} {path}: {answer.status_code}")
        if answer.status_code in _AGAIN:
            time.sleep(PAUSE)
        return answer

    def until(
        self,
        method: str,
        path: str,
        *,
        lost: Callable[[], None] | None = None,
        headers: dict[str, str] | None = None,
        **more: object,
    ) -> httpx.Response:
        """Its answer, once one comes."""
        while time.monotonic() < self._end:
            answer = self.once(method, path, lost, headers, **more)
            if answer is not None and answer.status_code not in _AGAIN:
                return answer
        raise TimeoutError(f"{method} {path.rpartition('/')[0]}: no answer in time")

    def video(self, sent: Sent) -> None:
        """Upload it, have it masked, and wait for the end of it."""
        if sent.resumable:
            self._resumably(sent)
        else:
            answer = self.whole(sent.content)
            self._check(answer, 201, "an upload")
            sent.upload = answer.json()["id"]
        body = {"upload": sent.upload, "settings": {"masks": True}}
        for _ in range(2):  # the second time as if the answer had been lost
            answer = self.until("POST", "/v1/jobs", json=body, headers={"Idempotency-Key": sent.key})
            self._check(answer, 202, "a job")
            sent.jobs.add(answer.json()["id"])
        self._follow(sent)

    def whole(self, content: bytes) -> httpx.Response:
        """Upload it in one request, slowly."""
        while time.monotonic() < self._end:
            headers = {"Content-Length": str(len(content))}
            answer = self.once("POST", "/v1/uploads", self._lost, content=_slowly(content), headers=headers)
            if answer is not None and answer.status_code not in _AGAIN:
                return answer
        raise TimeoutError("an upload: no answer in time")

    def _resumably(self, sent: Sent) -> None:
        tus = {"Tus-Resumable": "1.0.0"}
        length = len(sent.content)
        answer = self.until("POST", "/v1/uploads", headers={**tus, "Upload-Length": str(length)}, lost=self._lost)
        self._check(answer, 201, "an upload")
        sent.upload = answer.json()["id"]
        path, offset, kind = f"/v1/uploads/{sent.upload}", 0, {"Content-Type": "application/offset+octet-stream"}
        while offset < length:
            headers = {**tus, **kind, "Upload-Offset": str(offset)}
            answer_or_none = self.once("PATCH", path, content=sent.content[offset : offset + PIECE], headers=headers)
            if answer_or_none is not None and answer_or_none.status_code == 204:
                offset = int(answer_or_none.headers["upload-offset"])
                time.sleep(SLOW)
                continue
            told = self.until("HEAD", path, headers=tus)
            self._check(told, 200, "an upload that goes on")
            there = int(told.headers["upload-offset"])
            if there < offset:
                self.fault(f"an upload has lost {offset - there} bytes that were acknowledged")
            sent.resumed += 1
            offset = there

    def _follow(self, sent: Sent) -> None:
        job = min(sent.jobs)
        while True:
            result = self.until("GET", f"/v1/jobs/{job}/result")
            told = self.until("GET", f"/v1/jobs/{job}")
            self._check(told, 200, "a job that was accepted")
            found = told.json()
            if result.status_code == 200:
                whole = hashlib.sha256(result.content).hexdigest()
                if found["state"] != "done" or whole != found["result"]["sha256"]:
                    self.fault(f"a result can be seen of a job that is {found['state']}, or only half of it")
            elif result.status_code != 409:
                self.fault(f"a result is answered {result.status_code}")
            if found["state"] not in ("queued", "running"):
                sent.state, sent.sha256 = found["state"], (found["result"] or {}).get("sha256", "")
                if sent.state != "done":
                    self.fault(f"a job is {sent.state}: {found['reason']}")
                return
            time.sleep(PAUSE)

    def picture(self, content: bytes, is_masked: Callable[[bytes], bool]) -> None:
        """Have a picture masked, however often it takes."""
        answer = self.until("POST", "/v1/pictures", content=content)
        self._check(answer, 200, "a picture")
        if not is_masked(answer.content):
            self.fault("a picture came back unmasked")

    def _lost(self) -> None:
        with self._lock:
            self.unclaimed += 1

    def _refused(self, text: str) -> None:
        with self._lock:
            self.refusals.append(text)

    def _check(self, answer: httpx.Response, status: int, what: str) -> None:
        if answer.status_code != status:
            self.fault(f"{what} is answered {answer.status_code}: {answer.text[:200]}")
            raise RuntimeError(what)


def _slowly(content: bytes) -> Iterator[bytes]:
    for begin in range(0, len(content), PIECE):
        yield content[begin : begin + PIECE]
        time.sleep(SLOW)
