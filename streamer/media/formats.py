"""Which container formats are opened, and how FFmpeg is kept from opening anything but the file itself."""

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
"""FFmpeg's names of the formats that hold moving pictures. None of them opens other files.

Left out are playlists (concat, hls, dash), which name other files; image2, which takes a name for a pattern; and what
draws text or data as a picture (tty, ansi and the like).
"""

STILLS: Final = ("jpeg_pipe", "png_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif_pipe", "ppm_pipe", "jpegxl_pipe")
"""One picture in a file."""

_SENT: Final = ("hls", "aac", "mp3", "ac3", "eac3", "webvtt", "jpeg_pipe")

FILE_FORMATS: Final = ",".join((*CONTAINERS, *STILLS))
"""The `format_whitelist` of a file; formats that are opened from inside it are bound by it, too."""

HTTP_FORMATS: Final = ",".join((*CONTAINERS, *_SENT))
"""The same for what a camera or server sends: playlists of segments (HLS) as well."""


def opened(path: Path, codec_options: dict[str, str] | None = None) -> InputContainer:
    """The open container of a file; `codec_options` go to the decoders that find out what is in it.

    FFmpeg gets a file that is open already: whatever the name looks like, it is no pattern and no protocol, and there
    is no protocol left to open anything else with. Raises OSError, FFmpegError among them.
    """
    with path.open("rb", buffering=0) as file:  # FFmpeg makes a duplicate of its own
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
