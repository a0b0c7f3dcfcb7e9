"""Where webhooks may go."""

from __future__ import annotations

import pytest

from streamer.service.webhooks.errors import InvalidWebhookError
from streamer.service.webhooks.target import WebhookPolicy, checked_webhook_url, may_connect

STRICT = WebhookPolicy()
LOOSE = WebhookPolicy(allow_http=True, allow_private=True)


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM:8443/a?b=c%20d", "https://example.com:8443/a?b=c%20d"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://[2606:2800:220:1::1]:444/", "https://[2606:2800:220:1::1]:444/"),
    ],
)
def test_a_url_is_used_in_one_form(text: str, used: str) -> None:
    assert checked_webhook_url(text, STRICT) == used
    assert checked_webhook_url(used, STRICT) == used, "what is stored is checked again"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("http://example.com/", "https, not http"),
        ("ftp://example.com/", "must be https"),
        ("//example.com/", "must be https"),
        ("https:///path", "must be https"),
        ("file:///etc/passwd", "must be https"),
        ("", "must be https"),
        ("https://hidden:word@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port|read"),
        ("https://example.com:x/", "read"),
        ("https://exa mple.com/", "characters"),
        ("https://example.com\\@other.example/", "characters"),
        ("https://example.com/\r\nX: y", "characters"),
        ("https://example.com/" + "a" * 2000, "longer"),
        ("https://[::1/", "read"),
        ("https://127.0.0.1/", "address"),
        ("https://[::ffff:10.0.0.1]/", "address"),
        ("https://127.1/", "address"),
        ("https://2130706433/", "address"),
        ("https://0x7f000001/", "address"),
    ],
)
def test_other_urls_are_refused_in_one_line_that_repeats_no_secret(text: str, cause: str) -> None:
    with pytest.raises(InvalidWebhookError, match=cause) as refused:
        checked_webhook_url(text, STRICT)
    assert "\n" not in str(refused.value) and "hidden" not in str(refused.value)


def test_settings_may_allow_http_and_private_addresses() -> None:
    assert checked_webhook_url("http://127.0.0.1:8080/", LOOSE) == "http://127.0.0.1:8080/"


PRIVATE = [
    *("127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.127.255.254"),
    *("198.18.0.1", "192.0.2.1", "192.0.0.8", "192.88.99.1", "240.0.0.1"),
    *("::1", "fc00::1", "fd12::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:808:808::"),
    *("2001::1", "2001:db8::1", "3fff::1", "100::1"),
]
NEVER = [
    *("169.254.169.254", "224.0.0.1", "239.255.255.250", "0.0.0.0", "255.255.255.255"),
    *("fe80::1", "ff02::1", "::", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"),
    *("", "example.com", "127.0.0.1:80"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_off_the_internet_need_leave(address: str) -> None:
    assert not may_connect(address, STRICT)
    assert may_connect(address, LOOSE)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_connected_to(address: str) -> None:
    assert not may_connect(address, STRICT)
    assert not may_connect(address, LOOSE)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "100.63.0.1", "2606:2800:220:1::1", "2a00:1450::1"])
def test_the_internet_is_open(address: str) -> None:
    assert may_connect(address, STRICT)
