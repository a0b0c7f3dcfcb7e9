"""Have a server mask a video: upload, submit, follow, fetch. Nothing but Python's standard library is needed.

veilcast serve                                                    # in one terminal
python examples/mask_over_http.py meeting.mp4 meeting.masked.mp4  # in another

VEILCAST_URL names another server than http://127.0.0.1:8080, and VEILCAST_TOKEN the token to send.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SERVER = os.environ.get("VEILCAST_URL", "http://127.0.0.1:8080").rstrip("/")
TIMEOUT = 60.0
"""Seconds without a byte from the server. While a job runs, it says something every 15 seconds."""

Json = dict[str, object]


def ask(method: str, path: str, body: bytes | BinaryIO | None = None, **headers: str) -> HTTPResponse:
    """The server's answer. Raises HTTPError, whose body is a problem document (RFC 9457)."""
    if token := os.environ.get("VEILCAST_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    request = Request(f"{SERVER}{path}", body, {name.replace("_", "-"): text for name, text in headers.items()})
    request.method = method
    answer: HTTPResponse = urlopen(request, timeout=TIMEOUT)
    return answer


def read(answer: HTTPResponse) -> Json:
    """An answer that is an object."""
    with answer:
        found: Json = json.load(answer)
    return found


def submit(source: Path) -> Json:
    """Upload the video and return its job."""
    with source.open("rb") as file:  # sent as it is read, never whole in memory
        upload = read(ask("POST", "/v1/uploads", file, Content_Length=str(source.stat().st_size)))
    # The key makes it safe to run this again if the answer gets lost: there will be one job, not two.
    key = hashlib.sha256(f"{upload['id']}".encode()).hexdigest()
    job = {"upload": upload["id"], "settings": {"style": "solid", "audio": "keep"}}
    body = json.dumps(job).encode()
    return read(ask("POST", "/v1/jobs", body, Content_Type="application/json", Idempotency_Key=key))


def follow(job: Json) -> Json:
    """Wait until the job has ended, and return it."""
    while job["state"] in ("queued", "running"):
        with ask("GET", f"/v1/jobs/{job['id']}/events") as events:
            for line in events:  # "data: {...}" whenever something has changed
                if line.startswith(b"data: {"):
                    job = {**job, **json.loads(line.removeprefix(b"data: "))}
                    print(f"\r{job['state']} {job['progress']:.0%} ", end="", file=sys.stderr)
                elif line.startswith(b"event: gone"):
                    raise SystemExit("\nthe job was deleted")
    print(file=sys.stderr)
    return job


def fetch(job: Json, target: Path) -> None:
    """Save the masked video under another name first, so that half of it never looks like the whole."""
    part = target.with_name(f"{target.name}.part")
    with ask("GET", f"/v1/jobs/{job['id']}/result") as answer, part.open("wb") as file:
        shutil.copyfileobj(answer, file)
    part.rename(target)


def main(source: str, target: str) -> int:
    """Write the masked copy; returns the exit code."""
    try:
        job = follow(submit(Path(source)))
        if job["state"] != "done":
            print(f"{job['state']}: {job['reason']}", file=sys.stderr)
            return 1
        fetch(job, Path(target))
        with ask("DELETE", f"/v1/jobs/{job['id']}"):  # otherwise the server keeps the result for a day
            print(f"{target}: {Path(target).stat().st_size} bytes")
    except HTTPError as error:
        problem = json.loads(error.read() or b"{}")
        print(f"the server refuses: {problem.get('detail', error.reason)} ({error.code})", file=sys.stderr)
        return 2
    except (URLError, OSError) as error:
        print(f"{getattr(error, 'filename', None) or SERVER}: {getattr(error, 'reason', error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
