"""Posts one webhook once, and says what came of it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore
import httpx

from streamer.service.webhooks.connecting import CheckedNetwork, ForbiddenAddressError
from streamer.service.webhooks.deliveries import Delivery
from streamer.service.webhooks.errors import InvalidWebhookError
from streamer.service.webhooks.lookup import Lookups
from streamer.service.webhooks.signing import signature_headers
from streamer.service.webhooks.target import WebhookPolicy, checked_webhook_url

PATIENCE: Final = 15.0  # s for everything, from the look-up of the name to the last byte of the answer
_MOST_OF_ANSWER: Final = 4096  # bytes of its body after which no more is read; all are dropped


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """`status`: of HTTP, None if there was none; `line`: what happened; `retry_after`: s that the receiver asks for."""

    status: int | None
    line: str
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def webhook_tls() -> ssl.SSLContext:
    """Trusts the usual authorities, and those that this machine trusts."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class Courier:
    """Posts webhooks: no redirects, no proxies, no cookies, and no address that the policy forbids."""

    def __init__(
        self,
        policy: WebhookPolicy,
        clock: Callable[[], float] = time.time,
        *,
        lookups: Lookups | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """`patience`: s for one post. `lookups`, `network`, `tls`: what names, connections and certificates go by."""
        self._policy, self._clock, self._patience = policy, clock, patience
        self._lookups = lookups or Lookups()
        self._network = CheckedNetwork(policy, self._lookups, network or httpcore.AnyIOBackend())
        self._tls = tls or webhook_tls()

    async def post(self, delivery: Delivery) -> WebhookAnswer:
        """Post it. Network and receiver raise nothing here; they are in the answer."""
        try:
            url = httpx.URL(checked_webhook_url(delivery.url, self._policy))
        except InvalidWebhookError as error:  # the policy has become stricter since
            return WebhookAnswer(None, str(error))
        heard: list[WebhookAnswer] = []
        try:
            async with asyncio.timeout(self._patience):
                await self._exchange(url, delivery, heard)
            fault = "no answer"
        except TimeoutError:
            fault = f"no answer within {self._patience:g} s"
        except ForbiddenAddressError:
            fault = "the host has no address that webhooks may go to"
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            fault = "TLS failed" if _is_of_tls(error) else "no connection"
        except Exception as error:  # noqa: BLE001 - libraries raise many kinds; what they say may hold addresses
            fault = f"no answer ({type(error).__name__})"
        # Once there is a status, the receiver has decided, whatever becomes of the rest of its answer.
        return heard[0] if heard else WebhookAnswer(None, fault)

    def close(self, timeout: float) -> bool:
        """Wait for look-ups of names that still run; False if one hangs."""
        return self._lookups.close(timeout)

    async def _exchange(self, url: httpx.URL, delivery: Delivery, heard: list[WebhookAnswer]) -> None:
        body = delivery.body.encode()
        headers = {
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "content-length": str(len(body)),
            "user-agent": "veilcast",
            "connection": "close",
            **signature_headers(delivery.id, int(self._clock()), body, delivery.secret),
        }
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=self._network, max_connections=1, max_keepalive_connections=0
            ) as pool,
            pool.stream("POST", target, headers=list(headers.items()), content=body) as response,
        ):
            heard.append(self._answer(response))
            read = 0
            async for piece in response.aiter_stream():  # as it comes: nothing is decompressed
                read += len(piece)
                if read >= _MOST_OF_ANSWER:
                    break

    def _answer(self, response: httpcore.Response) -> WebhookAnswer:
        line = f"answered {response.status}"
        if 300 <= response.status < 400:
            line += ": redirects are not followed"
        asked = [value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after"]
        return WebhookAnswer(response.status, line, _seconds(asked[0], self._clock()) if asked else None)


def _is_of_tls(error: BaseException | None) -> bool:
    """Whether TLS is behind the error: libraries wrap it more than once."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _seconds(text: str, now: float) -> float | None:
    """What Retry-After says: seconds, or a date. None if it says neither."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return None
