"""The SDP that RTSP's DESCRIBE returns for a stream (RFC 8866, RFC 6184)."""

from __future__ import annotations

import base64
from typing import Final

from streamer.live.packet import CLOCK, VideoFormat

PAYLOAD_TYPE: Final = 96
"""The first dynamic payload type (RFC 3551), which everybody uses for H.264."""


def describe(name: str, video: VideoFormat, host: str, ident: int, control: str) -> bytes:
    """SDP of the live H.264 stream `name`, served from the address `host`.

    `ident` is the session's number, `control` the track's URI relative to the stream's.
    """
    kind = "IP6" if ":" in host else "IP4"
    sets = ",".join(base64.b64encode(unit).decode() for unit in (video.sps, video.pps))
    title = " ".join(name.split()) or "-"
    lines = [
        "v=0",
        f"o=- {ident} 1 IN {kind} {host}",
        f"s={title}",
        f"c=IN {kind} {'::' if kind == 'IP6' else '0.0.0.0'}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={video.profile_level_id};"
        f"sprop-parameter-sets={sets}",
        f"a=framerate:{float(video.rate):g}",
        f"a=framesize:{PAYLOAD_TYPE} {video.width}-{video.height}",
        f"a=control:{control}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()
