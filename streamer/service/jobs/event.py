"""What a webhook says: that a job has ended, and how. It holds no names and no pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import rfc8785


class WebhookEvent(StrEnum):
    """Types of events."""

    DONE = "job.done"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"


def event_body(
    event: WebhookEvent, job: str, now: float, *, reason: str | None = None, result: tuple[int, str] | None = None
) -> str:
    """The event as canonical JSON (RFC 8785). `now`: s since 1970; `result`: bytes and SHA-256 of the masked file."""
    facts: dict[str, str | dict[str, int | str] | None] = {
        "id": job,
        "state": event.removeprefix("job."),
        "reason": reason,
        "result": None if result is None else {"bytes": result[0], "sha256": result[1]},
    }
    time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return rfc8785.dumps({"type": str(event), "timestamp": time, "data": facts}).decode()
