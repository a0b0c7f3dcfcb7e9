"""What can be wrong with a webhook that a client asks for."""

from __future__ import annotations

from streamer.service.jobs.errors import InvalidError


class InvalidWebhookError(InvalidError):
    """The URL or the secret cannot be used. The text is one line for the client, and repeats neither of them."""
