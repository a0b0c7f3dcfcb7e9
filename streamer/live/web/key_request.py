"""Hears a WebRTC viewer's request for a key frame, which aiortc keeps to itself when it sends ready-made packets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

from aiortc import RTCRtpSender

_HOOK: Final = "_send_keyframe"  # called by aiortc for every PLI and FIR; sets a flag that only its encoders read


def check_hook(sender: type[RTCRtpSender]) -> None:
    """Raises ImportError where this version of aiortc has no such method, or handles RTCP without it."""
    hook = getattr(sender, _HOOK, None)
    handler = getattr(sender, "_handle_rtcp_packet", None)
    if (
        not inspect.isfunction(hook)
        or list(inspect.signature(hook).parameters) != ["self"]
        or not inspect.iscoroutinefunction(handler)
        or _HOOK not in handler.__code__.co_names
    ):
        raise ImportError("this version of aiortc does not tell when a viewer asks for a key frame; 1.16 does")


check_hook(RTCRtpSender)


def on_key_request(sender: RTCRtpSender, asked: Callable[[], None]) -> None:
    """Call `asked`, from the event loop, for every PLI (RFC 4585) and FIR (RFC 5104) that this sender gets."""
    setattr(sender, _HOOK, asked)
