"""Who makes a request, and what their roles allow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streamer.service.store.tables import LOCAL


class Role(StrEnum):
    """What a token is for."""

    SUBMIT = "submit"  # send pictures, uploads and jobs, and get their results
    VIEW = "view"  # watch cameras
    OPERATE = "operate"  # see and cancel the jobs of all, never their contents; metrics
    AUDIT = "audit"  # read the audit log
    ADMIN = "admin"  # all of these, and tokens


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `owner` is a token's id or `LOCAL`, `address` that of the client. None: no limit."""

    owner: str
    roles: frozenset[Role]
    address: str | None
    max_jobs: int | None = None
    max_bytes: int | None = None
    requests_per_minute: int | None = None

    def may(self, role: Role) -> bool:
        """Whether they have this role; an admin has all."""
        return role in self.roles or Role.ADMIN in self.roles


def local_caller(address: str | None) -> Caller:
    """Whoever comes over loopback while no token is asked for: they may do everything."""
    return Caller(LOCAL, frozenset(Role), address)
