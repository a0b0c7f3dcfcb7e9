from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest

from streamer.runtime.logs import INTERVAL, LineFormatter, LogHandler, RepeatFilter, logging_to
from streamer.settings.log import LogConfig

LOG = logging.getLogger("veilcast.test")
SECRET = "s3cretX"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def record(text: str, *values: object, level: int = logging.ERROR, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("veilcast.test", level, __file__, 1, text, values, None)
    vars(made).update(extra)
    return made


def test_json_lines_carry_what_was_passed() -> None:
    stream = io.StringIO()
    with logging_to(stream, LogConfig(form="json")):
        LOG.info("segment %s", "a.mp4", extra={"stream": "door", "bytes": 3})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "veilcast.test",
        "stream": "door",
        "bytes": 3,
        "message": "segment a.mp4",
    }


def test_plain_lines_are_pairs_and_cannot_be_forged() -> None:
    line = LineFormatter().format(record("said\nlevel=error message=x", stream="front door", n=1))
    assert line.count("\n") == 0
    assert line.endswith(
        'level=error logger=veilcast.test stream="front door" n=1 message="said\\nlevel=error message=x"'
    )


@pytest.mark.parametrize("form", ["plain", "json"])
def test_no_credential_gets_out(form: str) -> None:
    stream = io.StringIO()
    url = f"rtsp://u:{SECRET}@cam/x"
    with logging_to(stream, LogConfig.model_validate({"form": form})):
        LOG.error("cannot open %s", url)
        LOG.error("options", extra={"source": url, "token": SECRET, "nested": {"password": SECRET}})
        try:
            raise ConnectionError(f"no answer from {url}")
        except ConnectionError:
            LOG.exception("failed")
        logging.getLogger("somelibrary.access").warning("GET /whep/door?token=%s", SECRET)
    text = stream.getvalue()
    assert SECRET not in text
    assert len(text.splitlines()) == 4 and "rtsp://***@cam/x" in text and "ConnectionError" in text


def test_a_malformed_log_call_shows_no_arguments() -> None:
    stream = io.StringIO()
    handler = LogHandler(stream, "plain")
    handler.handle(record("%d cameras", SECRET))
    handler.handle(record("%d cameras", SECRET, level=logging.INFO))
    handler.handle(record("on"))
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count("a line was lost") == 2 and "message=on" in stream.getvalue()


def test_a_long_text_is_cut_after_it_was_redacted() -> None:
    line = LineFormatter().format(record("a" * 3980 + f" rtsp://user:{SECRET}{'b' * 100}@cam/"))
    assert SECRET not in line and len(line) < 4300


def test_an_error_repeated_is_shown_once_a_second_with_the_count() -> None:
    clock = Clock()
    repeats = RepeatFilter(clock)
    shown: list[tuple[float, int]] = []
    for step in range(31):
        clock.now = step / 10
        shown += [(clock.now, getattr(each, "held_back", 0)) for each in repeats.shown(record("lost packet %d", step))]
    assert shown == [(0.0, 0), (1.0, 9 - 1), (2.0, 9), (3.0, 9)]


def test_different_errors_streams_and_infos_are_all_shown() -> None:
    repeats = RepeatFilter(Clock())
    assert repeats.shown(record("a")) and repeats.shown(record("b")) and repeats.shown(record("a", stream="door"))
    assert repeats.shown(record("n", level=logging.INFO)) and repeats.shown(record("n", level=logging.INFO))
    assert not repeats.shown(record("a"))


def test_what_was_held_back_comes_with_the_next_line_or_the_end() -> None:
    clock = Clock()
    stream = io.StringIO()
    handler = LogHandler(stream, "plain", RepeatFilter(clock))
    for _ in range(3):
        handler.handle(record("full"))
    assert stream.getvalue().count("message=full") == 1
    clock.now = 2 * INTERVAL
    handler.handle(record("news", level=logging.INFO))
    assert "held_back=1 message=full" in stream.getvalue().splitlines()[1]
    handler.handle(record("full"))
    handler.close()
    assert stream.getvalue().count("message=full") == 3


def test_many_different_errors_are_bounded() -> None:
    clock = Clock()
    repeats = RepeatFilter(clock)
    words = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(5000)]
    assert len([each for word in words for each in repeats.shown(record(word))]) == 512
    clock.now = 2 * INTERVAL
    assert repeats.shown(record("later")) != []


def test_level_and_clean_up() -> None:
    stream = io.StringIO()
    with logging_to(stream, LogConfig(level="warning")):
        LOG.info("no")
        logging.getLogger("somelibrary").info("no")
        LOG.warning("yes")
    LOG.warning("after")
    assert [line.rpartition("=")[2] for line in stream.getvalue().splitlines()] == ["yes"]


def test_a_closed_stderr_is_ignored() -> None:
    program = """
import logging, sys
from streamer.settings.log import LogConfig
from streamer.runtime.logs import logging_to
with logging_to(sys.stderr, LogConfig()):
    sys.stderr.close()
    logging.getLogger("veilcast.test").error("x")
print("on")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "on\n"


def test_records_after_the_log_is_closed_do_not_reach_stderr() -> None:
    code = """
import io, logging
from streamer.settings.log import LogConfig
from streamer.runtime.logs import logging_to
log = logging.getLogger("veilcast.stream")
said = io.StringIO()
with logging_to(said, LogConfig()):
    log.warning("in time")
log.warning("too late")
assert "in time" in said.getvalue() and "too late" not in said.getvalue()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
