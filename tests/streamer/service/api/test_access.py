"""Sessions, tokens and the audit log over HTTP, behind the middleware that lets requests in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from streamer.http.host_names import HostNames
from streamer.service.access.admission import AccessGate
from streamer.service.access.caller import Role
from streamer.service.access.decision import AccessRules
from streamer.service.access.sessions import LoginSessions
from streamer.service.access.tokens import Tokens
from streamer.service.api.audit import audit_routes
from streamer.service.api.sessions import session_routes
from streamer.service.api.tokens import token_routes
from streamer.service.http.problems import errors_are_problems
from streamer.service.store.database import Database
from tests.rigs.uvicorn_server import uvicorn_serving
from tests.streamer.service.audit.log_rig import change


@dataclass(frozen=True)
class Served:
    http: httpx.Client
    tokens: Tokens
    database: Database

    def by(self, secret: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    database = Database.in_file(tmp_path / "x.db")
    database.migrate()
    tokens = Tokens(database)
    rules = AccessRules(tokens, LoginSessions(tokens), HostNames([], "127.0.0.1"), loopback=True)
    app = FastAPI()
    errors_are_problems(app)
    for router in (session_routes(rules), token_routes(tokens), audit_routes(database)):
        app.include_router(router)
    with uvicorn_serving(AccessGate(app, rules)) as url, httpx.Client(base_url=url) as http:
        yield Served(http, tokens, database)


def test_a_session_from_login_to_logout(served: Served) -> None:
    open_to_all = served.http.get("/v1/session").json()
    assert open_to_all == {"owner": "local", "roles": sorted(Role), "open": True}
    made, secret = served.tokens.create("x", [Role.VIEW, Role.AUDIT])
    assert served.http.get("/v1/session").status_code == 401
    answer = served.http.post("/v1/session", json={"token": secret})
    assert (answer.status_code, answer.content) == (204, b"") and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Set-Cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert served.http.get("/v1/session").json() == {"owner": made, "roles": ["audit", "view"], "open": False}
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    gone = served.http.delete("/v1/session")
    assert gone.status_code == 204 and "Max-Age=0" in gone.headers["Set-Cookie"]
    assert served.http.get("/v1/session", headers={"Cookie": cookie}).status_code == 401
    behind_tls = served.http.post("/v1/session", json={"token": secret}, headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in behind_tls.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"token": "vc_secret-wrong"}', "application/json", 401),
        (b'{"token": 5}', "application/json", 422),
        (b'{"token": "vc_secret", "more": 1}', "application/json", 422),
        (b"vc_secret", "application/json; charset=utf-8", 422),
        (b"token=vc_secret", "application/x-www-form-urlencoded", 415),
        (b'{"token": "' + b"vc_secret" * 1000 + b'"}', "application/json", 413),
    ],
)
def test_a_bad_login_is_a_problem_that_repeats_nothing(body: bytes, kind: str, status: int, served: Served) -> None:
    answer = served.http.post("/v1/session", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status and answer.headers["Content-Type"] == "application/problem+json"
    assert "vc_" not in answer.text and "Set-Cookie" not in answer.headers


def test_tokens_are_for_admins(served: Served) -> None:
    _, boss = served.tokens.create("boss", [Role.ADMIN])
    _, clerk = served.tokens.create("clerk", [Role.OPERATE, Role.AUDIT])
    asked: dict[str, object] = {"label": "press", "roles": ["submit"], "max_jobs": 3}
    for method, path in (("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("DELETE", "/v1/tokens/x")):
        body = asked if method == "POST" else None
        assert served.http.request(method, path, json=body, headers=served.by(clerk)).status_code == 403
    answer = served.http.post("/v1/tokens", json=asked, headers=served.by(boss))
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    caller = served.tokens.find(made["secret"])
    assert caller is not None and (caller.owner, caller.max_jobs) == (made["id"], 3) and caller.roles == {Role.SUBMIT}
    listed = served.http.get("/v1/tokens", headers=served.by(boss))
    last = listed.json()["tokens"][-1]
    assert (last["id"], last["label"], last["roles"], last["revoked"]) == (made["id"], "press", ["submit"], None)
    assert made["secret"] not in listed.text
    assert served.http.delete(f"/v1/tokens/{made['id']}", headers=served.by(boss)).status_code == 204
    assert served.http.get("/v1/session", headers=served.by(made["secret"])).status_code == 401
    assert served.http.delete("/v1/tokens/gone", headers=served.by(boss)).status_code == 404
    bad: list[dict[str, object]] = [{"roles": []}, {"label": "a\nb"}, {"label": ""}, {"max_bytes": 0}, {"x": 1}]
    bad.append({"roles": ["boss"]})
    for wrong in bad:
        answer = served.http.post("/v1/tokens", json=dict(asked) | wrong, headers=served.by(boss))
        assert answer.status_code == 422, wrong


def test_the_log_is_for_auditors_page_by_page(served: Served) -> None:
    _, auditor = served.tokens.create("auditor", [Role.AUDIT])
    _, other = served.tokens.create("other", [Role.OPERATE, Role.SUBMIT, Role.VIEW])
    for _ in range(3):
        served.tokens.note_login("system", "10.0.0.1", "too many wrong tokens")
    assert served.http.get("/v1/audit", headers=served.by(other)).status_code == 403
    first = served.http.get("/v1/audit?limit=3", headers=served.by(auditor)).json()
    second = served.http.get(f"/v1/audit?limit=3&before={first['next']}", headers=served.by(auditor)).json()
    assert [entry["number"] for entry in first["entries"] + second["entries"]] == [5, 4, 3, 2, 1]
    assert (first["next"], second["next"]) == (3, None)
    for entry, before in zip(first["entries"], first["entries"][1:], strict=False):
        assert hashlib.sha256(entry["text"].encode()).hexdigest() == entry["sha256"]
        assert json.loads(entry["text"])["previous"] == before["sha256"]
    newest = first["entries"][0]
    assert (newest["action"], newest["actor"], newest["address"]) == ("login", "system", "10.0.0.1")
    assert newest["time"].endswith("Z") and newest["outcome"] == "too many wrong tokens" and newest["job"] is None
    for wrong in ("limit=0", "limit=201", "before=0", "before=x", f"before={2**70}"):
        assert served.http.get(f"/v1/audit?{wrong}", headers=served.by(auditor)).status_code == 422


def test_a_damaged_entry_is_shown_as_it_is(served: Served) -> None:
    served.tokens.note_login("system", None)
    for text in ("not JSON", '{"time": "x"}', "[]", '{"time": 1e300}'):
        change(served.database, "UPDATE audit SET entry = :text", text=text)
        [entry] = served.http.get("/v1/audit").json()["entries"]
        assert (entry["number"], entry["text"], entry["action"]) == (1, text, None)
