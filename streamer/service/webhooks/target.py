"""Where webhooks may go: which URLs a client may name, and which addresses may be connected to."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

from streamer.service.webhooks.errors import InvalidWebhookError

_LONGEST: Final = 2000  # characters
_INTERNET_6: Final = IPv6Network("2000::/3")  # beyond it: loopback, local, mapped, NAT64 and multicast addresses
# What Python's own tables hold as global, or held in some of its releases.
_NOT_INTERNET_6: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NOT_INTERNET_4: Final = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
_NAT64: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """`allow_http`: webhooks may go without encryption; `allow_private`: also to this machine and to local networks."""

    allow_http: bool = False
    allow_private: bool = False


def checked_webhook_url(text: str, policy: WebhookPolicy) -> str:
    """The URL in the form in which it is used, in ASCII. Raises InvalidWebhookError.

    Names are not looked up here: what they lead to is judged when a connection is made, each time.
    """
    if len(text) > _LONGEST:
        raise InvalidWebhookError(f"the webhook's URL is longer than {_LONGEST} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise InvalidWebhookError("the webhook's URL holds characters that no URL has")
    try:
        url, authority = httpx.URL(text), urlsplit(text).netloc
    except (httpx.InvalidURL, ValueError):
        raise InvalidWebhookError("the webhook's URL cannot be read") from None
    if url.scheme not in ("https", "http") or not url.raw_host or "%" in url.host:
        raise InvalidWebhookError("the webhook's URL must be https://HOST/...")
    if url.scheme == "http" and not policy.allow_http:
        raise InvalidWebhookError("the webhook's URL must be https, not http")
    if url.userinfo or "@" in authority:
        raise InvalidWebhookError("the webhook's URL must not hold credentials")
    if "#" in text:
        raise InvalidWebhookError("the webhook's URL must not have a fragment (#...)")
    if url.port is not None and not 0 < url.port < 65536:
        raise InvalidWebhookError("the webhook's URL has a port that does not exist")
    literal = _literal(url.raw_host.decode())
    if literal is not None and not may_connect(literal, policy):
        raise InvalidWebhookError("the webhook's URL leads to an address that webhooks may not go to")
    return str(url)


def may_connect(address: str, policy: WebhookPolicy) -> bool:
    """Whether webhooks may go to this IP address. Never to link-local ones, where clouds keep machines' credentials."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if not policy.allow_private:
        return _on_the_internet(ip)
    return not any(
        each.is_link_local or each.is_multicast or each.is_unspecified or each == IPv4Address("255.255.255.255")
        for each in (ip, _inner(ip))
    )


def _on_the_internet(ip: IPv4Address | IPv6Address) -> bool:
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_INTERNET_4)
    return ip in _INTERNET_6 and not any(ip in network for network in _NOT_INTERNET_6)


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that packets to an IPv6 address end at, where there is one."""
    if isinstance(ip, IPv4Address):
        return ip
    if any(ip in network for network in _NAT64):
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour or ip


def _literal(host: str) -> str | None:
    """The IP address that a host is written as; None for a name. Old forms count: 127.1, 0x7f000001, 2130706433."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return str(IPv4Address(socket.inet_aton(host)))
    except OSError:
        return None
