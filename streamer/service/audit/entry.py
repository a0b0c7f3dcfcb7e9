"""What an entry of the audit log says. It holds ids and hashes, never names, addresses of cameras, or pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SYSTEM: Final = "system"
"""The actor of what the service does by itself, such as deleting what has expired."""


class AuditAction(StrEnum):
    """What was done."""

    PICTURE = "picture"  # a picture was sent in and answered at once
    UPLOAD = "upload"
    SUBMIT = "submit"
    RESULT = "result"  # a job ended
    DOWNLOAD = "download"
    DELETE = "delete"
    VERIFY = "verify"
    TOKEN = "token"
    SETTINGS = "settings"
    RELOAD = "reload"  # live streams read their settings again
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action. `actor` is a token's id, `LOCAL`, or `SYSTEM`; `address` that of the client, None for none.

    `settings` must be what JSON can hold. `outcome` is `ok`, or one line that says what went wrong.
    """

    action: AuditAction
    actor: str
    address: str | None = None
    upload: str | None = None
    job: str | None = None
    token: str | None = None
    input_sha256: str | None = None
    output_sha256: str | None = None
    settings: Mapping[str, object] | None = None
    engine: str | None = None
    outcome: str = "ok"
