from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from mypy import api as mypy
from pydantic import ValidationError

from core.config import MaskConfig
from core.frame import BLANKET, Cover, Frame, Verdict
from core.masked_frame import MaskedFrame
from core.paint.masker import Masker
from streamer.file.encoder import VideoEncoder, choose_codec, encoder_pixel_format
from streamer.media.picture_format import HdrData, PictureFormat, closest_supported, mastering_display
from streamer.settings.encoder import EncoderConfig
from streamer.warning_log import WarningLog
from tests.rigs.containers import moving_pictures

PICTURE = PictureFormat(96, 64, "yuv420p")
BASE = Fraction(1, 25)


def masked(count: int = 6) -> list[MaskedFrame]:
    masker = Masker(MaskConfig())
    frames = [Frame(i, video, i / 25) for i, video in enumerate(moving_pictures(count))]
    return [masker.mask(frame, Verdict(Cover.SETTLED)) for frame in frames]


def encoder(picture: PictureFormat = PICTURE, config: EncoderConfig | None = None) -> VideoEncoder:
    container = av.open(io.BytesIO(), "w", "matroska")
    return VideoEncoder(container, picture, BASE, Fraction(25), config or EncoderConfig(), WarningLog())


@pytest.mark.parametrize(
    ("pixel_format", "asked", "expected"),
    [
        ("yuv420p", None, "h264"),
        ("nv12", None, "h264"),
        ("gray", None, "h264"),
        ("yuv420p10le", None, "hevc"),
        ("p010le", None, "hevc"),
        ("yuv444p12le", None, "hevc"),
        ("yuv420p", "hevc", "hevc"),
        ("yuv420p10le", "h264", "h264"),
    ],
)
def test_deep_pictures_become_hevc_unless_asked_otherwise(pixel_format: str, asked: str | None, expected: str) -> None:
    config = EncoderConfig.model_validate({"codec": asked})
    assert choose_codec(config, replace(PICTURE, pixel_format=pixel_format)) == expected


@pytest.mark.parametrize(
    ("codec", "pixel_format", "size", "expected"),
    [
        ("h264", "yuv420p", (96, 64), "yuv420p"),
        ("h264", "yuvj422p", (96, 64), "yuvj422p"),
        ("h264", "nv12", (96, 64), "nv12"),
        ("h264", "nv12", (95, 64), "yuv444p"),
        ("h264", "yuv420p", (95, 63), "yuv444p"),
        ("h264", "yuv420p", (96, 63), "yuv422p"),
        ("h264", "yuvj420p", (95, 63), "yuvj444p"),
        ("h264", "yuv422p", (96, 63), "yuv422p"),
        ("h264", "gray", (95, 63), "gray"),
        ("h264", "yuv422p12le", (96, 64), "yuv422p10le"),
        ("hevc", "yuv422p12le", (96, 64), "yuv422p12le"),
        ("hevc", "p010le", (96, 64), "yuv420p10le"),
        ("hevc", "p010le", (95, 64), "yuv444p10le"),
    ],
)
def test_the_pixel_format_is_kept_where_the_codec_can(
    codec: str, pixel_format: str, size: tuple[int, int], expected: str
) -> None:
    picture = PictureFormat(*size, pixel_format)
    assert encoder_pixel_format(codec, picture) == expected  # type: ignore[arg-type]


def test_nothing_but_a_masked_frame_is_encoded() -> None:
    raw = next(moving_pictures(1))
    for impostor in (raw, Frame(0, raw, 0.0)):
        with pytest.raises(TypeError, match="only a MaskedFrame may be encoded"):
            encoder().encode(impostor)  # type: ignore[arg-type]


@pytest.mark.slow
def test_encoding_a_raw_frame_does_not_type_check(tmp_path: Path) -> None:
    snippet = tmp_path / "leak.py"
    snippet.write_text(
        "from core.frame import Frame\n"
        "from core.masked_frame import MaskedFrame\n"
        "from streamer.file.encoder import VideoEncoder\n"
        "def good(encoder: VideoEncoder, frame: MaskedFrame) -> None:\n"
        "    encoder.encode(frame)\n"
        "def leak(encoder: VideoEncoder, frame: Frame) -> None:\n"
        "    encoder.encode(frame)\n"
        "    encoder.encode(frame.video)\n"
    )
    out, _, status = mypy.run(["--no-error-summary", str(snippet)])
    assert status == 1
    assert [line.split(":")[1] for line in out.strip().splitlines() if ": error:" in line] == ["7", "8"]


def test_every_frame_comes_out_once_with_its_own_time() -> None:
    target, frames = encoder(), masked(12)
    packets = [packet for frame in frames for packet in target.encode(frame)] + target.flush()
    assert sorted((packet.pts or 0) * packet.time_base for packet in packets) == [i * BASE for i in range(12)]
    dts = [packet.dts for packet in packets if packet.dts is not None]
    assert dts == sorted(set(dts))
    assert len(dts) == 12
    assert all((packet.pts or 0) >= (packet.dts or 0) for packet in packets)


@pytest.mark.parametrize("pixel_format", ["nv12", "p010le", "gray", "yuv422p10le", "yuv444p12le", "yuvj420p"])
@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
def test_pictures_come_back_as_they_were(pixel_format: str, size: tuple[int, int]) -> None:
    written = io.BytesIO()
    video = next(moving_pictures(1)).reformat(*size, pixel_format)
    video.pts, video.time_base = 0, BASE
    expected = video.reformat(format="gray").to_ndarray().astype(int)
    with av.open(written, "w", "matroska") as container:
        config = EncoderConfig(crf=1, preset="ultrafast")
        picture = PictureFormat(*size, pixel_format, color_range=video.color_range)
        target = VideoEncoder(container, picture, BASE, Fraction(25), config, WarningLog())
        frame = Masker(MaskConfig()).mask(Frame(0, video, 0.0), Verdict(Cover.SETTLED))
        container.mux(target.encode(frame))
        container.mux(target.flush())
    written.seek(0)
    with av.open(written, "r") as reader:
        shown = next(reader.decode(video=0))
    assert (shown.width, shown.height) == size
    assert np.abs(shown.reformat(format="gray").to_ndarray().astype(int) - expected).mean() < 3


def test_the_frame_given_keeps_its_own_clock() -> None:
    target, frame = encoder(), masked(1)[0]
    frame.video.pts, frame.video.time_base = 7777, Fraction(1, 90000)
    target.encode(frame)
    assert (frame.video.pts, frame.video.time_base) == (7777, Fraction(1, 90000))


def test_the_sources_choice_of_key_frames_is_not_forced() -> None:
    target = encoder()
    packets = []
    for frame in masked(10):
        frame.video.pict_type = PictureType.I
        packets += target.encode(frame)
    packets += target.flush()
    assert [packet.is_keyframe for packet in packets].count(True) == 1


def test_a_frame_without_time_stamp_is_refused() -> None:
    frame = masked(1)[0]
    frame.video.pts = None
    with pytest.raises(ValueError, match="frame 0 has no time stamp"):
        encoder().encode(frame)


def test_a_blanket_frame_is_encoded_like_any_other() -> None:
    target = encoder()
    frame = Frame(0, next(moving_pictures(1)), 0.0)
    assert len(target.encode(Masker(MaskConfig()).mask(frame, BLANKET)) + target.flush()) == 1


@pytest.mark.parametrize(
    "options", [{"crf": 60}, {"crf": -1}, {"codec": "vp9"}, {"preset": "fastest"}, {"threads": -1}, {"bitrate": 1}]
)
def test_impossible_options_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        EncoderConfig.model_validate(options)


def test_lower_quality_is_smaller_and_options_reach_the_encoder() -> None:
    sizes = []
    for crf in (10, 45):
        target = encoder(config=EncoderConfig(crf=crf, preset="ultrafast", threads=1))
        frames = masked(4)
        sizes.append(sum(packet.size for frame in frames for packet in target.encode(frame)))
        sizes[-1] += sum(packet.size for packet in target.flush())
    assert sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_nothing_is_written_to_the_terminal(codec: str, capfd: pytest.CaptureFixture[str]) -> None:
    hdr = HdrData("G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)", (1000, 400))
    target = encoder(replace(PICTURE, hdr=hdr), EncoderConfig.model_validate({"codec": codec}))
    for frame in masked(3):
        target.encode(frame)
    assert target.flush()
    assert capfd.readouterr() == ("", "")


def test_mastering_display_is_written_as_encoders_read_it() -> None:
    values = [34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450]
    data = np.array([part for value in values for part in (value, 50_000)], np.int32).tobytes()
    data += np.array([1, 10_000, 10_000_000, 10_000], np.int32).tobytes()
    expected = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    assert mastering_display(data + np.array([1, 1], np.int32).tobytes()) == expected
    assert mastering_display(data + np.array([1, 0], np.int32).tobytes()) is None
    assert mastering_display(b"") is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [("yuv420p", "yuv420p"), ("p010le", "p010le"), ("rgb24", "yuv444p"), ("yuv411p", "yuv422p"), ("pal8", "yuv444p")],
)
def test_the_closest_supported_format(given: str, expected: str) -> None:
    assert closest_supported(given) == expected
