"""Signatures of webhooks: Standard Webhooks 1.0, HMAC-SHA256 with a secret that sender and receiver share."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from streamer.service.webhooks.errors import InvalidWebhookError

_PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST, _USUAL = 24, 64, 32  # bytes


def new_webhook_secret() -> bytes:
    """A random secret, for a client that brings none."""
    return secrets.token_bytes(_USUAL)


def parse_webhook_secret(text: str) -> bytes:
    """The bytes of `whsec_...`. Raises InvalidWebhookError."""
    encoded = text.removeprefix(_PREFIX)
    if encoded == text:
        raise InvalidWebhookError(f"the webhook's secret must begin with {_PREFIX}")
    try:
        # Receivers' libraries accept base64 without its padding, too.
        secret = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidWebhookError(f"the webhook's secret must be base64 after {_PREFIX}") from None
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise InvalidWebhookError(f"the webhook's secret must be {_SHORTEST} to {_LONGEST} bytes long")
    return secret


def webhook_secret_text(secret: bytes) -> str:
    """The secret as receivers' libraries take it: `whsec_...`."""
    return _PREFIX + base64.b64encode(secret).decode()


def signature_headers(message: str, sent: int, body: bytes, secret: bytes) -> dict[str, str]:
    """The three headers. `message`: the same in every attempt; `sent`: time of this attempt in s since 1970."""
    signed = b"%s.%d.%s" % (message.encode(), sent, body)
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": message, "webhook-timestamp": str(sent), "webhook-signature": f"v1,{signature}"}
