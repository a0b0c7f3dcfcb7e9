"""Which container formats may be opened, and how FFmpeg is kept from opening anything but the file itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
from av.container.input import InputContainer

CONTAINERS: Final = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "mxf", "ogg", "nut", "wtv", "dv", "gxf", "rm", "dhav"),
    *("gif", "apng", "ivf", "obu", "yuv4mpegpipe", "mjpeg", "mpjpeg", "mjpeg_2000", "smjpeg"),
    *("h261", "h263", "h264", "hevc", "vvc", "av1", "m4v", "mpegvideo", "vc1", "vc1test", "dirac", "cavsvideo"),
)
"""FFmpeg's names of video container formats. None of them opens other files.

Excluded are playlists (concat, hls, dash), which name other files; image2, which treats the file name as a pattern; and
demuxers that render text or data as a picture (tty, ansi and the like).
"""

STILLS: Final = ("jpeg_pipe", "png_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif_pipe", "ppm_pipe", "jpegxl_pipe")
"""Still picture formats."""

_SENT: Final = ("hls", "aac", "mp3", "ac3", "eac3", "webvtt", "jpeg_pipe")

FILE_FORMATS: Final = ",".join((*CONTAINERS, *STILLS))
"""The `format_whitelist` for files; it also applies to formats nested inside the file."""

HTTP_FORMATS: Final = ",".join((*CONTAINERS, *_SENT))
"""The `format_whitelist` for HTTP sources: also allows playlists of segments (HLS)."""


def open_file(path: Path, codec_options: dict[str, str] | None = None) -> InputContainer:
    """Open a file as a container; `codec_options` go to the decoders used for probing.

    FFmpeg gets an open file descriptor. So the file name cannot act as a pattern or a protocol, and no protocol is
    available to open anything else. Raises OSError or FFmpegError.
    """
    with path.open("rb", buffering=0) as file:  # FFmpeg duplicates the descriptor
        return av.open(
            "fd:",
            "r",
            metadata_errors="replace",
            options=codec_options,
            container_options={
                "fd": str(file.fileno()),
                "protocol_whitelist": "fd",
                "format_whitelist": FILE_FORMATS,
                "enable_drefs": "0",
            },
        )
