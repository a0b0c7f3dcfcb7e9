"""What a webhook says."""

from __future__ import annotations

import json

from streamer.service.jobs.event import WebhookEvent, event_body


def test_an_event_says_how_the_job_ended_and_no_more() -> None:
    text = event_body(WebhookEvent.DONE, "f00", 1_800_000_000.25, result=(12, "ab"))
    said = json.loads(text)
    assert said == {
        "type": "job.done",
        "timestamp": "2027-01-15T08:00:00.250Z",
        "data": {"id": "f00", "state": "done", "reason": None, "result": {"bytes": 12, "sha256": "ab"}},
    }
    assert text == json.dumps(said, sort_keys=True, separators=(",", ":")), "canonical"


def test_a_job_without_a_result_says_why() -> None:
    data = json.loads(event_body(WebhookEvent.FAILED, "f00", 0, reason="no video"))["data"]
    assert data == {"id": "f00", "state": "failed", "reason": "no video", "result": None}
