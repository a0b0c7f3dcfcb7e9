"""`veilcast config`: what counts, what is wrong, what may be written."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from streamer.cli.main import main
from streamer.settings.loading import load

Capture = pytest.CaptureFixture[str]
COMMAND = (sys.executable, "-m", "streamer.cli.entry", "config")

BAD = """\
mask:
  stile: blur
  cells: 7
live:
  web: {token: topsecret-short, max_viewers: many}
  rtsp_access: {user: me, password: topsecret, user_name: x}
detect: {detector: eyes}
"""


@pytest.fixture(autouse=True)
def _no_secrets_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VEILCAST_TOKEN", "VEILCAST_RTSP_USER", "VEILCAST_RTSP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


def test_show_prints_what_counts(tmp_path: Path, capsys: Capture) -> None:
    own = write(tmp_path / "own.yaml", "mask: {style: solid}\n")
    assert main(["config", "show", "--config", own]) == 0
    said = capsys.readouterr()
    shown = yaml.safe_load(said.out)
    assert said.err == "" and shown["mask"]["style"] == "solid" and shown["track"]["hold"] == 0.28
    assert "live" not in shown
    assert main(["config", "show", "--config", "crowd"]) == 0
    assert load(write(tmp_path / "shown.yaml", capsys.readouterr().out)) == load("crowd")


def test_show_of_a_live_service_with_its_environment(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(tmp_path / "own.yaml", "live: {streams: [{name: a, source: 'rtsp://u:topsecret@cam/1'}]}\n")
    monkeypatch.setenv("VEILCAST_TOKEN", "topsecret-token")
    assert main(["config", "show", "--live", "--config", own]) == 0
    said = capsys.readouterr().out
    live = yaml.safe_load(said)["live"]
    assert live["web"]["token"] == "***" and live["streams"][0]["source"] == "***" and "topsecret" not in said
    monkeypatch.setenv("VEILCAST_TOKEN", "short")
    assert main(["config", "show", "--live"]) == 2
    assert capsys.readouterr() == ("", "veilcast: options: VEILCAST_TOKEN: must have at least 8 characters\n")
    assert main(["config", "show"]) == main(["config", "show", "--serve"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("VEILCAST_RTSP_USER", "nvr")
    monkeypatch.setenv("VEILCAST_RTSP_PASSWORD", "topsecret")
    assert main(["config", "show", "--serve"]) == 0
    access = yaml.safe_load(capsys.readouterr().out)["live"]["rtsp_access"]
    assert (access["user"], access["password"]) == ("nvr", "***")


def test_show_says_all_that_is_wrong(tmp_path: Path, capsys: Capture) -> None:
    own = write(tmp_path / "own.yaml", "mask: {cells: 7}\nlive: {}\n")
    assert main(["config", "show", "--config", own]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines() == [
        f"veilcast: {own}: line 1: mask.cells: must be 6 or less, not 7",
        f"veilcast: {own}: line 2: live: there is no option 'live' for files: it is for veilcast live",
    ]


def test_check_names_file_line_and_key_of_every_problem(tmp_path: Path, capsys: Capture) -> None:
    bad, good = write(tmp_path / "bad.yaml", BAD), write(tmp_path / "good.yaml", "live: {rtsp: '8554'}")
    assert main(["config", "check", good, bad, str(tmp_path / "gone.yaml"), "crowd"]) == 2
    said = capsys.readouterr()
    assert said.err == "" and "topsecret" not in said.out
    assert said.out.splitlines() == [
        f"{good}: no problems (veilcast live)",
        f"{bad}: line 2: mask.stile: there is no option 'stile'; did you mean 'style'?",
        f"{bad}: line 3: mask.cells: must be 6 or less, not 7",
        f"{bad}: line 5: live.web.max_viewers: must be a whole number, not 'many'",
        f"{bad}: line 6: live.rtsp_access.user_name: there is no option 'user_name'; did you mean 'user'?",
        f"{bad}: line 7: detect.detector: must be centerface, mediapipe, mediapipe-short or yunet, not 'eyes'",
        f"{tmp_path / 'gone.yaml'}: no such file, and no preset: those are camera, crowd, fast, meeting",
        "crowd: no problems (veilcast file)",
    ]


def test_check_of_good_files_ends_with_0(tmp_path: Path, capsys: Capture) -> None:
    # `timeline.look_ahead` is for files: with a live section it would be refused.
    files = write(tmp_path / "a.yaml", "timeline: {look_ahead: 2}"), write(tmp_path / "b.yaml", "")
    assert main(["config", "check", *files]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["config", "check", write(tmp_path / "c.yaml", "timeline: {look_ahead: 2}\nlive: {}")]) == 2
    assert "write live.look_ahead" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"mask: [", b"\xff\xfe", b"a" * 2_000_000])
def test_check_of_what_is_no_settings_file(content: bytes, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "odd\nname.yaml"
    path.write_bytes(content)
    assert main(["config", "check", str(path)]) == 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.startswith(f"{tmp_path}/odd\\nname.yaml: ")


def test_the_schema_is_one_and_with_live_another(capsys: Capture) -> None:
    schemas = []
    for options in ([], ["--live"], ["--serve"]):
        assert main(["config", "schema", *options]) == 0
        schemas.append(json.loads(capsys.readouterr().out))
        jsonschema.Draft202012Validator.check_schema(schemas[-1])
    found = [schema["properties"].keys() & {"live", "service"} for schema in schemas]
    assert found == [set(), {"live"}, {"live", "service"}]


def test_settings_of_the_http_service_are_shown_and_checked(tmp_path: Path, capsys: Capture) -> None:
    own = write(tmp_path / "own.yaml", "service: {keep_hours: 48}\n")
    assert main(["config", "check", own]) == 0
    assert capsys.readouterr().out == f"{own}: no problems (veilcast serve)\n"
    assert main(["config", "show", "--serve", "--config", own]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["service"]["keep_hours"] == 48
    assert main(["config", "check", write(tmp_path / "bad.yaml", "service:\n  kep_hours: 1\n")]) == 2
    assert "line 2: service.kep_hours" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["check"], ["show", "x"], ["schema", "x"]], ids=" ".join)
def test_wrong_words_are_refused(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["config", *arguments])
    assert stop.value.code == 2 and "error: " in capsys.readouterr().err


def test_settings_are_read_without_any_server() -> None:
    program = (
        "import sys; from streamer.cli.main import main\n"
        "code = main(['config', 'show', '--live', '--config', 'crowd'])\n"
        "servers = ('streamer.live.', 'streamer.file.', 'fastapi', 'uvicorn', 'aiortc', 'prometheus_client')\n"
        "sys.exit(code or ', '.join(name for name in sys.modules if name.startswith(servers)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.stderr.strip() == b"" and b"min_interval" in done.stdout


def test_a_reader_that_has_seen_enough_and_a_full_disk() -> None:
    job = subprocess.Popen([*COMMAND, "schema", "--live"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert job.stdout is not None and job.stderr is not None
    job.stdout.close()
    assert job.stderr.read() == b"" and job.wait(60) == 0
    for words in (["schema"], ["check", "crowd"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr == b"veilcast: standard output: cannot be written (No space left on device)\n"


def test_a_closed_stdout_is_one_line() -> None:
    command = " ".join(map(shlex.quote, [*COMMAND, "show"]))
    done = subprocess.run(["sh", "-c", f"{command} >&-"], stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"veilcast: standard output: is closed\n")
