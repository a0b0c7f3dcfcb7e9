"""Reports key frame requests of WebRTC viewers, which aiortc hides when it sends pre-encoded packets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

from aiortc import RTCRtpSender

_HOOK: Final = "_send_keyframe"  # aiortc calls it for every PLI and FIR, only to set a flag for its own encoders


def check_hook(sender: type[RTCRtpSender]) -> None:
    """Raises ImportError if this version of aiortc lacks that method, or handles RTCP without it."""
    hook = getattr(sender, _HOOK, None)
    handler = getattr(sender, "_handle_rtcp_packet", None)
    if (
        not inspect.isfunction(hook)
        or list(inspect.signature(hook).parameters) != ["self"]
        or not inspect.iscoroutinefunction(handler)
        or _HOOK not in handler.__code__.co_names
    ):
        raise ImportError("this version of aiortc does not report key frame requests; 1.16 does")


check_hook(RTCRtpSender)


def on_key_request(sender: RTCRtpSender, asked: Callable[[], None]) -> None:
    """Call `asked`, from the event loop, for every PLI (RFC 4585) and FIR (RFC 5104) this sender receives."""
    setattr(sender, _HOOK, asked)
