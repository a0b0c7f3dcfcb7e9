"""Structured logging: one line per record, credentials removed, repeated errors rate-limited."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from streamer.redact import HIDDEN, redacted
from streamer.settings.log import LogConfig

INTERVAL: Final = 1.0
"""Seconds between two lines for the same warning or error."""

LOGGER: Final = "veilcast"
"""Parent of all loggers of this program, for example `logging.getLogger("veilcast.recorder")`."""

_KINDS: Final = 512  # bounds memory, and the lines per second when every error is worded differently
_LONGEST: Final = 4000  # characters per value
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BARE: Final = re.compile(r"[^\s\"'=\\\x00-\x20\x7f-\xa0]+")


class LineFormatter(logging.Formatter):
    """Formats time (UTC), level, logger, message, all `extra` fields, and an exception's type, text and traceback."""

    def __init__(self, form: Literal["plain", "json"] = "plain") -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, without line breaks or credentials."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD and key not in fields}
        fields["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
            fields["trace"] = self.formatException(record.exc_info)
        clean = {key: _clean(key, value) for key, value in fields.items() if value is not None}
        if self._form == "json":
            return json.dumps(clean, ensure_ascii=False)
        return " ".join(f"{key}={_plain(value)}" for key, value in clean.items())


def _clean(key: str, value: object) -> str | int | float:
    named = f"{key}=x"
    if redacted(named) != named:
        return HIDDEN
    if isinstance(value, bool | int | float):
        return value
    # Truncate last: half a credential would not be recognised.
    text = redacted(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _plain(value: str | int | float) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


@dataclass
class _Repeated:
    """A warning or error that was logged recently."""

    shown: float
    held: int = 0
    last: logging.LogRecord | None = None


class RepeatFilter:
    """Decides which records to write: the same warning or error at most once every `INTERVAL` seconds.

    Two records count as the same if they differ only in numbers. `clock` returns seconds. It has no thread: records
    that were held back are written when the next record arrives.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, int, str, str], _Repeated] = {}

    def shown(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """The records to write now that `record` has arrived, in order; their `held_back` counts dropped repeats."""
        due = self.due()
        if record.levelno < logging.WARNING:
            return [*due, record]
        wording = re.sub(r"\d+", "#", record.getMessage())
        key = (record.name, record.levelno, str(getattr(record, "stream", "")), wording)
        kind = self._kinds.get(key)
        if kind is None and len(self._kinds) < _KINDS:
            self._kinds[key] = _Repeated(self._clock())
            return [*due, record]
        if kind is not None:
            kind.held, kind.last = kind.held + 1, record
        return due

    def due(self, everything: bool = False) -> list[logging.LogRecord]:
        """The newest held-back record of each kind whose interval is over, or of every kind if `everything`."""
        now, due = self._clock(), []
        for key, kind in list(self._kinds.items()):
            if not everything and now - kind.shown < INTERVAL:
                continue
            if kind.last is None:
                del self._kinds[key]
                continue
            kind.last.held_back = kind.held - 1
            due.append(kind.last)
            kind.shown, kind.held, kind.last = now, 0, None
        return due


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream. A record that cannot be written is dropped without showing its contents."""

    def __init__(self, stream: TextIO, form: Literal["plain", "json"], repeats: RepeatFilter | None = None) -> None:
        super().__init__(stream)
        self.setFormatter(LineFormatter(form))
        self._repeats = repeats or RepeatFilter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record unless it is held back, after any held-back records that are due."""
        try:
            shown = self._repeats.shown(record)
        except Exception:  # noqa: BLE001 - a malformed log call must not stop its caller
            self.handleError(record)
            return
        for each in shown:
            super().emit(each)

    def close(self) -> None:
        """Write all held-back records."""
        self.acquire()
        try:
            for record in self._repeats.due(everything=True):
                super().emit(record)
        finally:
            self.release()
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say where the record came from, not what is in it: the standard library would print its arguments."""
        kind = getattr(sys.exc_info()[0], "__name__", "error")
        try:
            self.stream.write(f"level=error logger={record.name} message={json.dumps(f'a line was lost ({kind})')}\n")
        except (OSError, ValueError):
            return


# Without this, records logged by threads during shutdown would reach stderr unformatted, after the last real line.
logging.getLogger(LOGGER).addHandler(logging.NullHandler())


@contextmanager
def logging_to(stream: TextIO, config: LogConfig) -> Iterator[LogHandler]:
    """Log to `stream` inside the block: this program from `config.level` up, libraries from warnings up."""
    handler = LogHandler(stream, config.form)
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    before = ours.level
    root.addHandler(handler)
    ours.setLevel(config.level.upper())
    try:
        yield handler
    finally:
        ours.setLevel(before)
        root.removeHandler(handler)
        handler.close()
