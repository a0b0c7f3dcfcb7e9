"""Commands about a service whose database and files are on servers: what they find there, and no secret anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import yaml

from streamer.cli.main import main, parser
from streamer.cli.service.options import serve_settings
from tests.rigs.cluster.gateways import Place
from tests.rigs.cluster.postgres_server import PASSWORD
from tests.rigs.cluster.s3_server import SECRET
from tests.rigs.service.serve_process import ServeProcess

Capture = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_a_served_password_is_nowhere_to_be_read(place: Place, tmp_path: Path, capsys: Capture) -> None:
    options = ["--database", place.url, "--blobs", place.blobs_url, "--workers", "0"]
    with ServeProcess(tmp_path / "scratch", tmp_path / "log", *options) as serve:
        serve.spawn()
        while not serve.look():
            pass
        assert serve.url is not None and httpx.get(f"{serve.url}/v1/jobs").status_code == 200
        assert serve._process is not None
        shown = Path(f"/proc/{serve._process.pid}/cmdline").read_text("utf-8").replace("\0", " ")
        assert "***@127.0.0.1" in shown and "s3://" in shown
        assert main(["token", "create", "press", "--role", "submit", "--database", place.url]) == 0
        secret = capsys.readouterr().out.strip()
        own = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(f"{serve.url}/v1/jobs").status_code == 401
        assert httpx.get(f"{serve.url}/v1/jobs", headers=own).status_code == 200
        assert main(["audit", "verify", "--database", place.url]) == 0
        assert main(["audit", "key", "--database", place.url]) == 0
    said = shown + serve.log + "".join(capsys.readouterr())
    assert PASSWORD not in said and SECRET not in said
    assert sorted(path.name for path in (tmp_path / "scratch").iterdir()) == ["lock", "work"]


def test_files_may_hold_what_leads_there(place: Place, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "url").write_text(f"{place.url}\n")
    said = {"VEILCAST_DATABASE_FILE": str(tmp_path / "url"), "VEILCAST_BLOBS": place.blobs_url}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in said.items():
            patched.setenv(name, value)
        assert main(["token", "list", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []
        assert main(["serve", "--migrate-only"]) == 0
        patched.setenv("VEILCAST_DATABASE_FILE", str(tmp_path / "none"))
        assert main(["token", "list"]) == 2
    assert "VEILCAST_DATABASE_FILE" in capsys.readouterr().err


def test_the_command_line_goes_before_the_environment() -> None:
    given = {"VEILCAST_DATABASE": "postgresql://env/x", "VEILCAST_BLOBS": "s3://env"}
    options = parser().parse_args(["serve", "--database", "postgresql://line/x"])
    found = serve_settings(options, given).service
    assert found.database is not None and found.database.get_secret_value() == "postgresql://line/x"
    assert found.blobs == "s3://env"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"mysql://root:{PASSWORD}@host/x", "postgresql://USER:PASSWORD@HOST/DATABASE"),
        (f"postgresql://root:{PASSWORD}@host:a:b/x", "postgresql://USER:PASSWORD@HOST/DATABASE"),
    ],
)
def test_a_wrong_address_is_one_line_without_its_password(url: str, why: str, capsys: Capture) -> None:
    assert main(["token", "list", "--database", url]) == 2
    said = capsys.readouterr().err
    assert why in said and PASSWORD not in said and said.count("\n") == 1


def test_settings_are_shown_without_the_password(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(yaml.dump({"service": {"database": f"postgresql://root:{PASSWORD}@host/x", "blobs": "s3://b/p"}}))
    assert main(["config", "show", "--serve", "--config", str(path)]) == 0
    said = capsys.readouterr().out
    assert "database: '***'" in said and "s3://b/p" in said and PASSWORD not in said
