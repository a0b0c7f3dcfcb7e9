"""`deploy/compose.yaml` is understood by Compose's own reader, and is as closed as it says."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.cli.main import parser
from streamer.settings.loading import parse
from streamer.settings.service import ServeSettings
from tests.rigs.deploy.go_tools import BUILD, go_program, needs_go

DEPLOY = Path(__file__).parents[2] / "deploy"
FILE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
INTERNAL = {name for name, network in FILE["networks"].items() if network and network.get("internal")}
EACH = pytest.mark.parametrize("name", SERVICES)


@needs_go
@pytest.mark.slow
@pytest.mark.timeout(BUILD)
def test_compose_understands_it(tmp_path: Path) -> None:
    """Checked against the specification's schema, for what is named twice or nowhere, and merged with the override."""
    reader = go_program("github.com/compose-spec/compose-go/v2/cmd", "v2.16.2")
    command = [str(reader), "-format", "json", str(DEPLOY / "compose.yaml"), str(DEPLOY / "compose.tls.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=DEPLOY, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    nginx = read["services"]["nginx"]
    assert {port["target"] for port in nginx["ports"]} == {8080, 8443}
    servers = [volume["source"] for volume in nginx["volumes"] if volume["target"].endswith("/server.conf")]
    assert [Path(server).name for server in servers] == ["tls.conf"], "the override replaces plain HTTP"
    gateway = read["services"]["gateway"]
    assert Path(gateway["build"]["context"]) == DEPLOY.parent and gateway["deploy"]["replicas"] == 2
    for service in read["services"].values():
        mounted = [volume["source"] for volume in service.get("volumes", ()) if volume["type"] == "bind"]
        assert all(Path(source).exists() or source == str(DEPLOY / "tls") for source in mounted)

    broken = tmp_path / "broken.yaml"
    broken.write_text((DEPLOY / "compose.yaml").read_text("utf-8").replace("cap_drop:", "cap_drops:"), "utf-8")
    assert (
        subprocess.run([str(reader), str(broken)], cwd=DEPLOY, capture_output=True, timeout=60, check=False).returncode
        != 0
    )


@EACH
def test_each_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & service.keys()
    once = name == "s3-init"
    assert service.get("cap_add", []) == (["CHOWN"] if once else [])
    assert (service["user"] == "0:0") is once
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


@EACH
def test_each_image_is_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "${VEILCAST_IMAGE:-veilcast:local}" or re.search(r":v?\d+\.\d+[\w.-]*$", image)


@EACH
def test_secrets_are_files(name: str) -> None:
    service = SERVICES[name]
    for key, value in service.get("environment", {}).items():
        secret = re.search(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|DATABASE_FILE|BROKER", key)
        assert not secret or str(value).startswith("/run/secrets/"), key
    wanted = set(re.findall(r"/run/secrets/(\w+)", str(service)))
    assert wanted <= set(service.get("secrets", ())) <= FILE["secrets"].keys()


@EACH
def test_only_what_has_to_can_reach_the_world_or_be_reached(name: str) -> None:
    service = SERVICES[name]
    outside = set(service.get("networks", ())) - INTERNAL
    expected = {"nginx": {"edge"}, "gateway": {"out"}, "grafana": {"desk"}, "flower": {"desk"}}
    assert outside == expected.get(name, set())
    assert ("ports" in service) is (name in ("nginx", "grafana", "flower"))
    assert all(re.search(r":-127\.0\.0\.1:\d+\}:\d+$", port) for port in service.get("ports", ()))
    assert service.get("networks") or service["network_mode"] == "none"
    if name == "worker":
        assert service["networks"] == ["back"]


def test_the_commands_and_settings_are_understood() -> None:
    for name, command in (("gateway", "serve"), ("worker", "worker")):
        words = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in SERVICES[name]["command"]]
        options = parser().parse_args(words)
        assert options.command == command and options.config == SERVICES[name]["configs"][0]["target"]
    grace = parser().parse_args(["worker"]).grace
    assert int(SERVICES["worker"]["stop_grace_period"].rstrip("s")) >= grace + 20
    text = (DEPLOY / "veilcast.yaml").read_text("utf-8")
    settings = parse(text, DEPLOY / "veilcast.yaml", ServeSettings)
    assert settings.service.max_connections_per_address == settings.service.max_connections, "all come from nginx"


def test_secrets_are_made_once_and_nobody_else_can_enter_their_folder(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    first = subprocess.run(["sh", str(tmp_path / "secrets.sh")], capture_output=True, text=True, check=True)
    made = {path.name: path.read_text("utf-8") for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == FILE["secrets"].keys() - {"metrics_token"}, "a token of the service's own"
    assert len(set(made.values())) == len(made) and min(map(len, made.values())) >= 48
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert f":{made['postgres_password']}@postgres:5432/" in made["database"]
    assert f":{made['redis_password']}@redis:6379/" in made["broker"]
    again = subprocess.run(["sh", str(tmp_path / "secrets.sh")], capture_output=True, text=True, check=True)
    assert again.stdout == "" and not any(secret in first.stdout for secret in made.values())
    assert made == {path.name: path.read_text("utf-8") for path in (tmp_path / "secrets").iterdir()}
