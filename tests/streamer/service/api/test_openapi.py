"""What the OpenAPI document says is what the service does, whatever is sent to it."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks, not_a_server_error

from tests.rigs.service.running import ended, photo, running_service, submitted

pytestmark = pytest.mark.slow

EXAMPLES = 8  # of each operation, and of each kind: as the document has it, and not
SECRET = "an admin's long secret"
NAMES = ("status_code_conformance", "content_type_conformance", "response_headers_conformance")
load_all_checks()
CONFORM: list[Any] = [not_a_server_error, *CHECKS.get_by_names([*NAMES, "response_schema_conformance"])]
HANDS_OFF = {"POST /v1/tokens"}  # while all is open: from the first token on, nothing is


class Known:
    """Ids that exist, so that not every answer is 404."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        done = submitted(client, photo(0.25))["id"]
        failed = submitted(client, b"no film at all" * 50)["id"]
        self.jobs = itertools.cycle([done, failed])
        assert [ended(client, job)["state"] for job in (done, failed)] == ["done", "failed"]

    def put_into(self, case: Case[Any]) -> None:
        """Ids in place of those that were made up. What is deleted is made for it."""
        if case.path_parameters and "job" in case.path_parameters and case.method != "DELETE":
            case.path_parameters["job"] = next(self.jobs)
        elif case.path_parameters and "upload" in case.path_parameters:
            case.path_parameters["upload"] = self._upload()
        elif isinstance(case.body, dict) and "upload" in case.body and isinstance(case.body["upload"], str):
            case.body["upload"] = self._upload()

    def _upload(self) -> str:
        return str(self.client.post("/v1/uploads", content=b"not a film").json()["id"])


@pytest.mark.parametrize("token", [None, SECRET], ids=["open", "token"])
def test_every_answer_is_as_documented(token: str | None, tmp_path: Path) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    with running_service(tmp_path / "data", token, upload_mb=1, picture_mb=1) as client:
        known = Known(client)
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        # Logins last: many wrong ones lock their client out.
        ordered = sorted(operations(schema), key=lambda one: one.label == "POST /v1/session")
        for operation, mode in itertools.product(ordered, GenerationMode):
            if token is None and operation.label in HANDS_OFF:
                continue
            attack(operation, mode, known, statuses)
        assert client.get("/readyz").json()["ready"]
    assert {status for _, status in statuses} >= {200, 201, 202, 204, 404, 409, 422}, statuses


def operations(schema: BaseSchema) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    for found in schema.get_all_operations():
        yield found.ok()  # type: ignore[union-attr]  # the document is valid, or this is the failure


def attack(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, known: Known, statuses: Counter[tuple[str, int]]
) -> None:
    numbers = itertools.count()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        if next(numbers) % 2:
            known.put_into(case)
        headers = {name: value for name, value in known.client.headers.items() if name == "authorization"}
        answer = case.call(base_url=str(known.client.base_url), headers=headers, timeout=30)
        statuses[operation.label, answer.status_code] += 1
        case.validate_response(answer, checks=CONFORM)

    # Where there is nothing to send, nothing about it can be wrong.
    with contextlib.suppress(Unsatisfiable):
        check()
