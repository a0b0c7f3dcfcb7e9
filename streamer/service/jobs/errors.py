"""Why a request about uploads or jobs is refused, in one line for whoever made it."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that cannot be granted. The text says why, for the caller to read."""


class NotFoundError(RefusedError):
    """No such thing, or it is somebody else's: nobody can tell which."""


class ConflictError(RefusedError):
    """It is not in a state in which this can be done."""


class QuotaError(RefusedError):
    """The caller, or the whole service, has as much as is allowed at a time. Later there may be room."""


class TooMuchError(RefusedError):
    """Larger than anything that is accepted."""


class InvalidError(RefusedError):
    """The request makes no sense."""
