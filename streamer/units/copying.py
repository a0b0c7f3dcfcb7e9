"""Whether untouched groups of pictures of a recording are copied, and what both sides need for that."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.file.encoder import VideoEncoder, choose_codec, encoder_pixel_format
from streamer.file.source import SourceInfo
from streamer.gops.access_unit import StreamForm
from streamer.gops.avc import AvcForm
from streamer.gops.joint import Joint, parse_form
from streamer.gops.uncopyable import UncopyableError
from streamer.media.picture_format import HdrData
from streamer.settings.file import Settings


@dataclass(frozen=True, slots=True)
class Copying:
    """The source's header, and the number that the encoder gives its parameter sets so that both can stand together.

    HEVC's are renumbered afterwards: its encoder has no option for that.
    """

    form: StreamForm
    parameter_set: int | None

    def joint(self, encoder: VideoEncoder, container: str) -> Joint:
        """What makes one stream of both. Raises UncopyableError."""
        return Joint(self.form, parse_form(encoder.codec, encoder.parameter_sets), container)


def copying_for(info: SourceInfo, header: bytes | None, settings: Settings) -> Copying:
    """How groups of pictures of this file are copied; `header`: its codec configuration.

    Raises UncopyableError, which says why all is encoded.
    """
    if not settings.file.copy_untouched:
        raise UncopyableError("it is switched off")
    if settings.zones:
        raise UncopyableError("zones are painted on every picture")
    codec, picture = choose_codec(settings.encoder, info.picture), info.picture
    form = parse_form(info.video_codec, header)
    if codec != info.video_codec:
        raise UncopyableError(f"{info.video_codec} becomes {codec}")
    if picture.hdr != HdrData():
        raise UncopyableError("its colours are described inside the pictures")
    if picture.interlaced:
        raise UncopyableError("it is interlaced")
    if encoder_pixel_format(codec, picture) != picture.pixel_format:
        raise UncopyableError(f"its pictures are encoded as {encoder_pixel_format(codec, picture)}")
    return Copying(form, form.free_id if isinstance(form, AvcForm) else None)
