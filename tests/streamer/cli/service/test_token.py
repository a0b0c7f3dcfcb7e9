"""`veilcast token`: the secret is printed once, and everything that is wrong is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.cli.main import main
from streamer.cli.service.options import ROLES, byte_count
from streamer.service.access.caller import Role
from streamer.service.access.tokens import Tokens
from streamer.service.store.data_folder import DataFolder

Capture = pytest.CaptureFixture[str]


def test_made_listed_and_revoked(tmp_path: Path, capsys: Capture) -> None:
    data = ["--data", str(tmp_path / "data")]
    limits = ["--max-jobs", "2", "--max-bytes", "3G", "--requests-per-minute", "60"]
    assert main(["token", "create", "a café", "--role", "submit", "--role", "view", *limits, *data]) == 0
    made = capsys.readouterr()
    secret = made.out.strip()
    folder = DataFolder.open(tmp_path / "data")
    caller = Tokens(folder.database).find(secret)
    assert caller is not None and caller.owner in made.err and secret not in made.err
    assert main(["token", "list", "--json", *data]) == 0
    [token] = json.loads(capsys.readouterr().out)
    assert token.pop("created").endswith("Z")
    assert token == {
        "id": caller.owner,
        "label": "a café",
        "roles": ["submit", "view"],
        "revoked": None,
        "max_jobs": 2,
        "max_bytes": 3 * 10**9,
        "requests_per_minute": 60,
    }
    assert main(["token", "revoke", caller.owner, *data]) == 0
    assert Tokens(folder.database).find(secret) is None
    folder.close()
    assert main(["token", "list", *data]) == 0
    assert capsys.readouterr().out.split()[2:] == ["revoked", "submit,view", "a", "café"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["create", "two\nlines", "--role", "view"], "printable"),
        (["revoke", "no-such"], "holds no veilcast.db"),
        (["list"], "holds no veilcast.db"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], why: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["token", *words, "--data", str(tmp_path / "data")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and why in said.err


def test_an_unknown_id_and_roles(tmp_path: Path, capsys: Capture) -> None:
    DataFolder.open(tmp_path).close()
    assert main(["token", "revoke", "no-such", "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "veilcast: token: there is no such token: no-such\n"
    for words in (["x"], ["x", "--role", "boss"], ["x", "--role", "view", "--max-bytes", "-1"]):
        with pytest.raises(SystemExit) as ended:
            main(["token", "create", *words, "--data", str(tmp_path)])
        assert ended.value.code == 2
    assert tuple(Role) == ROLES
    assert [byte_count(text) for text in ("1", "500m", "20GB", "1T")] == [1, 5 * 10**8, 2 * 10**10, 10**12]
