"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streamer.service.store.tables import LOCAL


class Role(StrEnum):
    """What a token allows. None includes another, except ADMIN, which includes all."""

    SUBMIT = "submit"  # pictures, uploads, own jobs and their results
    VIEW = "view"  # watch cameras
    OPERATE = "operate"  # see and cancel the jobs of all, never what is in them; metrics
    AUDIT = "audit"  # read the audit log
    ADMIN = "admin"  # all of these, and tokens


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request. `owner` is a token's id, or `LOCAL`; `address` the client's, None if unknown.

    Limits are None where there is none: jobs queued or running at a time, bytes stored at a time, requests a minute.
    """

    owner: str
    roles: frozenset[Role]
    address: str | None = None
    max_jobs: int | None = None
    max_bytes: int | None = None
    requests_per_minute: int | None = None

    def may(self, role: Role) -> bool:
        """Whether this role is theirs."""
        return role in self.roles or Role.ADMIN in self.roles


def local_caller(address: str | None = None) -> Caller:
    """Whoever is at this machine, when the service is open to everybody there. They may do everything."""
    return Caller(LOCAL, frozenset(Role), address)
