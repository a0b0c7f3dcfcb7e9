from __future__ import annotations

from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.gops.access_unit import EntryPoint
from streamer.gops.avc import AvcForm, parse_avc_header
from streamer.gops.framing import split_by_start_code, with_lengths, with_start_codes
from streamer.gops.joint import Joint, parse_form
from streamer.gops.uncopyable import UncopyableError


def encoded(
    pixels: str = "yuv420p", size: tuple[int, int] = (96, 70), parameters: str = "", **more: str
) -> tuple[bytes, list[bytes]]:
    """Header and packets of a few frames, with start codes."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.framerate = pixels, Fraction(25)
    context.options = {"preset": "veryfast", "x264-params": parameters, **more}
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    frames = [av.VideoFrame(*size, pixels) for _ in range(3)]
    for pts, frame in enumerate(frames):
        frame.pts = pts
    packets = [bytes(p) for frame in [*frames, None] for p in context.encode(frame)]
    return context.extradata or b"", packets


HEADER, PACKETS = encoded()
FORM = parse_avc_header(HEADER)
SPS, PPS = FORM.parameter_sets
IDR = next(unit for unit in split_by_start_code(PACKETS[0]) if unit[0] & 31 == 5)
HIDDEN = b"GPS 52.5200 N 13.4050 E"
SEI = bytes((6, 5, 16 + len(HIDDEN))) + bytes(range(65, 81)) + HIDDEN + b"\x80"


def record(*, sps: bytes = SPS, pps: bytes = PPS) -> bytes:
    return bytes((1, *sps[1:4], 0xFF, 0xE1, 0, len(sps))) + sps + bytes((1, 0, len(pps))) + pps + b"\xfd\xf8\xf8\x00"


@pytest.mark.parametrize(
    ("pixels", "chroma", "depth"),
    [("yuv420p", 1, 8), ("yuv422p", 2, 8), ("yuv444p", 3, 8), ("yuv420p10le", 1, 10), ("gray", 0, 8)],
)
@pytest.mark.parametrize("parameters", ["", "cqm=jvt:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900", "sps-id=31"])
def test_headers_of_an_encoder_are_understood_to_their_last_bit(
    pixels: str, chroma: int, depth: int, parameters: str
) -> None:
    header, packets = encoded(pixels, parameters=parameters)
    form = parse_avc_header(header)
    assert (form.look.width, form.look.height, form.look.chroma, form.look.depth) == (96, 70, chroma, depth)
    assert form.reader().read(packets[0]).entry is EntryPoint.CLOSED
    assert form.reader().read(packets[1]).entry is EntryPoint.NONE


def test_a_record_and_start_codes_say_the_same() -> None:
    read = parse_avc_header(record())
    assert (read.length_size, read.sequences, read.pictures) == (4, FORM.sequences, FORM.pictures)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\1",
        record()[:30],
        record(sps=SPS + b"\x80"),
        record(sps=SPS + HIDDEN),
        record(pps=PPS + HIDDEN),
        record(pps=b"\x68" + PPS[2:]),
        record(sps=SPS[:1] + b"\x58\0\x1e" + SPS[4:9]),
        with_start_codes([SPS]),
        HEADER + with_start_codes([SPS[:1] + b"\x64\0\x1f" + SPS[4:]]),
    ],
)
def test_a_header_that_holds_anything_else_is_refused(header: bytes) -> None:
    with pytest.raises(UncopyableError):
        parse_avc_header(header)


@pytest.mark.parametrize("parameters", ["interlaced=1", "fake-interlaced=1"])
def test_interlaced_video_is_refused(parameters: str) -> None:
    with pytest.raises(UncopyableError, match="interlaced"):
        parse_avc_header(encoded(size=(96, 64), parameters=parameters)[0])


@pytest.mark.parametrize("crop", ["32,0,0,0", "0,2,0,0", "0,0,18,0", "0,0,0,32"])
def test_pictures_that_hold_more_than_they_show_are_refused(crop: str) -> None:
    """What is cropped away is in the packets all the same, and nobody has looked there for faces."""
    with pytest.raises(UncopyableError, match="more than they show"):
        parse_avc_header(encoded(size=(96, 64), parameters=f"crop-rect={crop}")[0])


@given(st.binary(max_size=80), st.integers(0, 60), st.integers(0, 255))
def test_hostile_headers_and_packets_only_raise_what_is_documented(data: bytes, place: int, value: int) -> None:
    bent = bytearray(record())
    bent[place % len(bent)] = value
    for header in (data, b"\1" + data, b"\0\0\1\x67" + data, bytes(bent)):
        try:
            form = parse_avc_header(header)
        except UncopyableError:
            continue
        assert form.look.width <= 16_384
    for packet in (data, b"\0\0\1" + data, IDR[:9] + data):
        try:
            FORM.reader().read(packet)
        except UncopyableError:
            continue


UNITS = {
    "delimiter": b"\x09\xf0",
    "message": SEI,
    "filler": b"\x0c\xff\xff\x80",
    "another view": b"\x74\x00\x00\x11" + HIDDEN,
    "prefix": b"\x6e\x00\x00\x11",
    "unspecified": b"\x1e" + HIDDEN,
    "reserved": b"\x17" + HIDDEN,
    "the same parameter set": SPS,
    "end of sequence": b"\x0a",
}


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("lengths", [True, False])
def test_only_slices_remain(kind: str, lengths: bool) -> None:
    form = parse_avc_header(record()) if lengths else FORM
    framed = with_lengths if lengths else with_start_codes
    joint = Joint(form, parse_avc_header(encoded(parameters="sps-id=1")[0]), "mp4")
    packet = joint.copied(framed([UNITS[kind], IDR, UNITS[kind]]) + bytes(0 if lengths else 5))
    assert packet.data == with_lengths([IDR]) and packet.key


def moved(unit: bytes, first: bytes) -> bytes:
    return unit[:1] + first + unit[2:]


@pytest.mark.parametrize(
    "packet",
    [
        with_start_codes([SEI]),
        b"text" + with_start_codes([IDR]),
        with_start_codes([IDR, IDR]),
        with_start_codes([moved(IDR, b"\x48")]),  # begins with the second macroblock
        with_start_codes([b"\xe5" + IDR[1:]]),
        with_start_codes([b"\x62" + IDR[1:], IDR]),
        with_start_codes([SPS[:3] + b"\x28" + SPS[4:], IDR]),
        with_start_codes([PPS + b"\x80", IDR]),
        with_start_codes([bytes((6, 19, 1, 0x80, 0x80)), IDR]),
    ],
)
def test_what_is_not_exactly_a_picture_of_the_header_is_refused(packet: bytes) -> None:
    with pytest.raises(UncopyableError):
        FORM.reader().read(packet)


@pytest.mark.parametrize("packet", [b"\0\0\0\xff" + IDR, b"\0\0", with_lengths([IDR[:20] + b"\0\0\1" + SEI])])
def test_lengths_that_do_not_fit_are_refused(packet: bytes) -> None:
    with pytest.raises(UncopyableError):
        parse_avc_header(record()).reader().read(packet)


def test_parameter_sets_that_change_refuse_all_that_needs_them_until_they_are_back() -> None:
    reader, other = FORM.reader(), SPS[:3] + b"\x28" + SPS[4:]
    reader.look_at(with_start_codes([other]))
    assert reader.sets_change
    with pytest.raises(UncopyableError, match="change"):
        reader.read(PACKETS[1])
    assert reader.read(with_start_codes([SPS, IDR])).entry is EntryPoint.CLOSED
    assert not reader.sets_change


def test_a_key_frame_that_drops_what_is_shown_before_it_is_refused() -> None:
    bits = f"{int.from_bytes(IDR[1:9], 'big'):064b}"
    # first macroblock, I slice 7, set 0, frame number (4 bits), picture id 0, order (6 bits): then the flag.
    at = len("1" + "0001000" + "1") + FORM.sequences[0].frame_number_bits + 1 + FORM.sequences[0].order_bits
    assert bits[at] == "0"
    bent = int(bits[:at] + "1" + bits[at + 1 :], 2).to_bytes(8, "big")
    with pytest.raises(UncopyableError, match="drops"):
        FORM.reader().read(with_start_codes([IDR[:1] + bent + IDR[9:]]))


def test_the_joined_header_holds_both() -> None:
    other = parse_avc_header(encoded(parameters=f"sps-id={FORM.free_id}")[0])
    for container in ("mp4", "mpegts"):
        both = parse_form("h264", Joint(FORM, other, container).extradata)
        assert isinstance(both, AvcForm)
        assert set(both.parameter_sets) == {*FORM.parameter_sets, *other.parameter_sets}


@pytest.mark.parametrize(
    "encoder", [HEADER, encoded(size=(98, 70), parameters="sps-id=1")[0], encoded("yuv422p", parameters="sps-id=1")[0]]
)
def test_streams_that_cannot_be_one_are_refused(encoder: bytes) -> None:
    with pytest.raises(UncopyableError):
        Joint(FORM, parse_avc_header(encoder), "mp4")


def test_ffmpeg_s_own_filter_keeps_the_same_units() -> None:
    wanted = av.bitstream.BitStreamFilterContext("filter_units=pass_types=1|5", "h264")
    for data in [with_start_codes([SEI, *split_by_start_code(packet), UNITS["filler"]]) for packet in PACKETS]:
        (kept,) = wanted.filter(av.Packet(data))
        assert tuple(split_by_start_code(bytes(kept))) == FORM.reader().read(data).slices
