"""Signatures, checked by the library that receivers use."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from streamer.service.webhooks.errors import InvalidWebhookError
from streamer.service.webhooks.signing import (
    new_webhook_secret,
    parse_webhook_secret,
    signature_headers,
    webhook_secret_text,
)


def test_a_receiver_s_library_accepts_it_and_nothing_else() -> None:
    secret = new_webhook_secret()
    headers = signature_headers("msg_1", int(time.time()), '{"a":"ü"}'.encode(), secret)
    receiver = Webhook(webhook_secret_text(secret))
    assert receiver.verify('{"a":"ü"}', headers) == {"a": "ü"}
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(time.time()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            receiver.verify('{"a":"ü"}', headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(webhook_secret_text(new_webhook_secret())).verify('{"a":"ü"}', headers)


def test_the_signature_is_the_one_of_the_specification() -> None:
    """Secret, message and signature of the example that libraries of the specification are tested with."""
    secret = parse_webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secret)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("length", [24, 25, 64])
def test_a_client_s_own_secret_is_used(length: int) -> None:
    text = "whsec_" + base64.b64encode(bytes(range(length))).decode()
    assert parse_webhook_secret(text) == parse_webhook_secret(text.rstrip("=")) == bytes(range(length))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "begin with whsec_"),
        (base64.b64encode(bytes(32)).decode(), "begin with whsec_"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "24 to 64"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "24 to 64"),
        ("whsec_" + "A" * 33, "base64"),
        ("whsec_" + "A" * 31 + "ü", "base64"),
        ("whsec_" + "A" * 16 + "\n" + "A" * 16, "base64"),
    ],
)
def test_other_secrets_are_refused_without_being_repeated(text: str, cause: str) -> None:
    with pytest.raises(InvalidWebhookError, match=cause) as refused:
        parse_webhook_secret(text)
    assert "AAAA" not in str(refused.value)
