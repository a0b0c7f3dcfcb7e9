from __future__ import annotations

from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.gops.access_unit import EntryPoint
from streamer.gops.avc import parse_avc_header
from streamer.gops.framing import split_by_length, split_by_start_code, with_lengths, with_start_codes
from streamer.gops.hevc import HevcForm, join_hevc_record, parse_hevc_header, unit_kind
from streamer.gops.joint import Joint, parse_form
from streamer.gops.renumbered import Renumbered
from streamer.gops.uncopyable import UncopyableError
from tests.streamer.gops.test_avc import HEADER as AVC_HEADER
from tests.streamer.gops.test_avc import HIDDEN


def encoded(
    pixels: str = "yuv420p", size: tuple[int, int] = (96, 70), parameters: str = ""
) -> tuple[bytes, list[bytes]]:
    """Header and packets of a few frames, with start codes."""
    context = av.CodecContext.create("libx265", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.framerate = pixels, Fraction(25)
    context.options = {"preset": "veryfast", "x265-params": f"log-level=none:pools=1:frame-threads=1:{parameters}"}
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    frames = [av.VideoFrame(*size, pixels) for _ in range(3)]
    for pts, frame in enumerate(frames):
        frame.pts = pts
    packets = [bytes(p) for frame in [*frames, None] for p in context.encode(frame)]
    return context.extradata or b"", packets


HEADER, PACKETS = encoded()
FORM = parse_hevc_header(HEADER)
VPS, SPS, PPS = FORM.parameter_sets
IDR = next(unit for unit in split_by_start_code(PACKETS[0]) if unit_kind(unit) in (19, 20))
SEI = bytes((39 << 1, 1, 5, 16 + len(HIDDEN))) + bytes(range(65, 81)) + HIDDEN + b"\x80"


@pytest.mark.parametrize(
    ("pixels", "chroma", "depth"),
    [("yuv420p", 1, 8), ("yuv422p", 2, 8), ("yuv444p", 3, 8), ("yuv420p10le", 1, 10), ("gray", 0, 8)],
)
@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "hrd=1:vbv-maxrate=900:vbv-bufsize=900",
        "scaling-list=default:range=full:colorprim=bt709:transfer=bt709:colormatrix=bt709:sar=2",
        "temporal-layers=3:b-adapt=0:bframes=3:wpp=0",
    ],
)
def test_headers_of_an_encoder_are_understood_to_their_last_bit(
    pixels: str, chroma: int, depth: int, parameters: str
) -> None:
    header, packets = encoded(pixels, parameters=parameters)
    form = parse_hevc_header(header)
    assert (form.look.width, form.look.height, form.look.chroma, form.look.depth) == (96, 70, chroma, depth)
    assert form.look.signal.full_range == ("range=full" in parameters)
    assert form.look.signal.aspect == (Fraction(12, 11) if "sar" in parameters else None)
    assert form.reader().read(packets[0]).entry is EntryPoint.CLOSED
    assert form.reader().read(packets[1]).entry is EntryPoint.NONE


def test_a_record_and_start_codes_say_the_same() -> None:
    read = parse_hevc_header(join_hevc_record([FORM]))
    assert (read.length_size, read.parameter_sets) == (4, FORM.parameter_sets)


@pytest.mark.parametrize("sets", [(VPS, SPS), (SPS, PPS), (VPS, PPS), (VPS, SPS + HIDDEN, PPS), (VPS, SPS, PPS + SPS)])
def test_a_header_that_lacks_or_holds_anything_else_is_refused(sets: tuple[bytes, ...]) -> None:
    with pytest.raises(UncopyableError):
        parse_hevc_header(with_start_codes(sets))


@given(st.binary(max_size=90), st.integers(0, 120), st.integers(0, 255))
def test_hostile_headers_and_packets_only_raise_what_is_documented(data: bytes, place: int, value: int) -> None:
    bent = bytearray(HEADER)
    bent[place % len(bent)] = value
    record = bytearray(join_hevc_record([FORM]))
    record[place % len(record)] = value
    for header in (data, b"\1" + data, HEADER + b"\0\0\1\x42\1" + data, bytes(bent), bytes(record)):
        try:
            form = parse_hevc_header(header)
        except UncopyableError:
            continue
        assert form.look.width <= 16_384
    for packet in (data, b"\0\0\1" + data, IDR[:9] + data):
        try:
            FORM.reader().read(packet)
        except UncopyableError:
            continue


UNITS = {
    "delimiter": b"\x46\x01\x50",
    "message": SEI,
    "another layer": IDR[:1] + bytes((IDR[1] | 8,)) + HIDDEN,
    "unspecified, as Dolby Vision": bytes((62 << 1, 1)) + HIDDEN,
    "reserved": bytes((41 << 1, 1)) + HIDDEN,
    "the same parameter set": SPS,
    "cut short": b"\x46",
}


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("lengths", [True, False])
def test_only_slices_remain(kind: str, lengths: bool) -> None:
    form = parse_hevc_header(join_hevc_record([FORM])) if lengths else FORM
    framed = with_lengths if lengths else with_start_codes
    packet = Joint(form, FORM, "mp4").copied(framed([UNITS[kind], IDR, UNITS[kind]]))
    assert packet.data == with_lengths([IDR]) and packet.key


@pytest.mark.parametrize(
    "packet",
    [
        with_start_codes([SEI]),
        with_start_codes([IDR, IDR]),
        with_start_codes([IDR[:2] + bytes((IDR[2] & 127,)) + IDR[3:]]),  # not the first slice
        with_start_codes([IDR[:2] + bytes((IDR[2] | 64,)) + IDR[3:]]),  # drops what is shown before it
        with_start_codes([IDR[:2] + b"\xd0" + IDR[3:]]),  # another parameter set
        with_start_codes([PPS[:-1] + b"\x90", IDR]),
        with_start_codes([bytes((39 << 1, 1, 19, 1, 0x80, 0x80)), IDR]),
    ],
)
def test_what_is_not_exactly_a_picture_of_the_header_is_refused(packet: bytes) -> None:
    with pytest.raises(UncopyableError):
        FORM.reader().read(packet)


def test_once_parameter_sets_change_nothing_is_copied_any_more() -> None:
    reader = FORM.reader()
    reader.look_at(with_start_codes([PPS[:-1] + b"\x90"]))
    assert reader.sets_change
    with pytest.raises(UncopyableError, match="change"):
        reader.read(PACKETS[0])


def test_an_encoder_s_packets_get_numbers_of_their_own() -> None:
    again = Renumbered(FORM, FORM)
    assert again.form.look == FORM.look
    for kind in ("streams", "sequences", "pictures"):
        assert getattr(again.form, kind).keys().isdisjoint(getattr(FORM, kind))
    joint = Joint(FORM, FORM, "mp4")
    for packet in PACKETS:
        before = [unit for unit in split_by_start_code(packet) if unit_kind(unit) < 32]
        after = split_by_length(joint.encoded(packet).data, 4)
        assert [unit[4:] for unit in after] == [unit[3:] for unit in before]
        assert [len(unit) for unit in after] == [len(unit) + 1 for unit in before]
        again.form.reader().read(with_start_codes(after))
    assert set(parse_form("hevc", joint.extradata).parameter_sets) == {
        *FORM.parameter_sets,
        *again.form.parameter_sets,
    }


def test_streams_that_cannot_be_one_are_refused() -> None:
    avc = parse_avc_header(AVC_HEADER)
    other = parse_hevc_header(encoded(size=(98, 70))[0])
    crowded = HevcForm(0, FORM.streams, FORM.sequences, dict.fromkeys(range(31), FORM.pictures[0]))
    for source, encoder in ((FORM, avc), (avc, FORM), (FORM, other), (crowded, FORM)):
        with pytest.raises(UncopyableError):
            Joint(source, encoder, "mp4")
