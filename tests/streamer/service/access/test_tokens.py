"""Tokens: found by their secret alone, ended for ever, and nothing told about others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from streamer.service.access.caller import Caller, Role
from streamer.service.access.tokens import TokenError, TokenLimits, TokenMissingError, Tokens
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow, TokenRow


def audited(database: Database) -> list[dict[str, object]]:
    with database.reading() as session:
        return [json.loads(text) for text in session.scalars(select(AuditRow.entry).order_by(AuditRow.number))]


def test_a_token_is_found_by_its_secret_until_it_is_revoked(database: Database) -> None:
    tokens = Tokens(database, lambda: 50.0)
    assert not tokens.ever_made() and not tokens.any_valid()
    one, secret = tokens.create("press", {Role.VIEW, Role.SUBMIT}, TokenLimits(2, 10**12, 60))
    other, _ = tokens.create("radio", [Role.ADMIN])
    expected = Caller(one, frozenset({Role.SUBMIT, Role.VIEW}), None, 2, 10**12, 60)
    assert tokens.find(secret) == tokens.holder(one) == expected
    assert [tokens.find(wrong) for wrong in ("", secret[:-1], f"{secret} ", "vc_", one, "\udcff")] == [None] * 6
    tokens.revoke(one)
    tokens.revoke(one)
    assert tokens.find(secret) is None and tokens.holder(one) is None and tokens.any_valid()
    tokens.revoke(other)
    assert tokens.ever_made() and not tokens.any_valid()
    listed = {info.id: info for info in tokens.list()}
    assert listed[one].revoked == 50.0 and listed[one].limits.max_jobs == 2 and listed[one].label == "press"


def test_the_log_says_who_made_and_ended_it_and_nothing_holds_the_secret(database: Database, tmp_path: Path) -> None:
    tokens = Tokens(database)
    admin = Caller("a" * 32, frozenset({Role.ADMIN}), "10.1.1.1")
    made, secret = tokens.create("press", [Role.AUDIT], by=admin)
    tokens.revoke(made)
    tokens.revoke(made)
    said = [(entry["action"], entry["actor"], entry.get("address"), entry["token"]) for entry in audited(database)]
    assert said == [("token", "a" * 32, "10.1.1.1", made), ("token", "local", None, made)]
    assert audited(database)[0]["settings"] == {"change": "create", "roles": "audit"}
    database.close()
    assert secret.startswith("vc_") and len(secret) > 40
    assert not any(secret[3:].encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_what_makes_no_sense_is_refused_and_nothing_is_written(database: Database) -> None:
    tokens = Tokens(database)
    for label, roles, limits in (
        ("", [Role.VIEW], None),
        ("two\nlines", [Role.VIEW], None),
        ("x" * 101, [Role.VIEW], None),
        ("x", [], None),
        ("x", [Role.VIEW], TokenLimits(max_jobs=0)),
        ("x", [Role.VIEW], TokenLimits(requests_per_minute=2**31)),
    ):
        with pytest.raises(TokenError):
            tokens.create(label, roles, limits)
    with pytest.raises(TokenMissingError):
        tokens.revoke("f" * 32)
    assert tokens.list() == [] and audited(database) == []


def test_every_failure_is_one_look_up_by_hash(database: Database) -> None:
    tokens = Tokens(database)
    made, revoked = tokens.create("x", [Role.VIEW])
    _, valid = tokens.create("y", [Role.VIEW])
    tokens.revoke(made)
    with database.reading() as session:
        hashes = {bytes(row) for row in session.scalars(select(TokenRow.secret_sha256))}
    asked: list[tuple[str, object]] = []

    def noted(_: object, __: object, statement: str, parameters: object, *more: object) -> None:
        if statement != "BEGIN":
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", noted)
    try:
        for secret in (revoked, valid[:-1], "", "vc_x", "x" * 5000):
            assert tokens.find(secret) is None
    finally:
        event.remove(Engine, "before_cursor_execute", noted)
    assert len(asked) == 5 and len({statement for statement, _ in asked}) == 1
    values = [given.values() if isinstance(given, dict) else given for _, given in asked]
    found = [next(iter(each)) for each in values if isinstance(each, Iterable)]
    given = [bytes(getattr(value, "obj", value)) for value in found]  # psycopg wraps bytes
    assert [len(value) for value in given] == [32] * 5 and given[0] in hashes
