from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from fractions import Fraction

import pytest

from streamer.guard.connection_caps import Caps
from streamer.guard.login_throttle import LoginThrottle
from streamer.live.packet import VideoFormat
from streamer.live.rtsp.auth import Authenticator
from streamer.live.rtsp.message import Request, Response
from streamer.live.rtsp.session import METHODS, Control, Session, Sessions, SessionState, Start
from streamer.live.rtsp.transport import Transport, choose

FORMAT = VideoFormat(320, 240, Fraction(25), bytes.fromhex("6742c01f01"), b"\x68\x01")
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
UDP = "RTP/AVP;unicast;client_port=5000-5001"


class FakeMedia:
    """Records the calls it gets; starts to play at once unless told otherwise."""

    def __init__(self) -> None:
        self.format_now: VideoFormat | None = FORMAT
        self.start: Start | None = Start(100, 9000)
        self.ports = True
        self.told: list[str] = []

    def has(self, stream: str) -> bool:
        return stream in ("door", "yard")

    def ssrc(self, stream: str) -> int:
        return 0xABCD

    async def format(self, stream: str) -> VideoFormat | None:
        return self.format_now

    async def open(self, session: Session) -> tuple[int, int] | None:
        if not self.ports:
            raise OSError
        self.told.append("open")
        return None if session.transport.tcp else (7000, 7001)

    async def play(self, session: Session, started: Callable[[Start | None], None]) -> None:
        self.told.append("play")
        started(self.start)

    def pause(self, session: Session) -> None:
        self.told.append("pause")

    def close(self, session: Session) -> None:
        self.told.append("close")


class Bench:
    """One connection after another to one set of sessions, with a clock that is set by hand."""

    def __init__(self, auth: Authenticator | None = None, most: int = 3) -> None:
        self.now = 0.0
        self.auth = auth
        self.media = FakeMedia()
        self.sessions = Sessions(60, Caps(most, most), lambda: self.now)
        self.control = Control(self.sessions, self.media, auth, LoginThrottle(), "10.0.0.9", "10.0.0.1", 8554)
        self.session = ""

    def connect(
        self, peer: str = "10.0.0.9", auth: Authenticator | None = None, throttle: LoginThrottle | None = None
    ) -> Control:
        return Control(self.sessions, self.media, auth, throttle or LoginThrottle(), peer, "10.0.0.1", 8554)

    def ask(
        self, method: str, uri: str = "rtsp://h/door", body: bytes = b"", by: Control | None = None, **headers: str
    ) -> Response:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.session and "session" not in fields:
            fields["session"] = self.session
        fields = {name: value for name, value in fields.items() if value}
        answers: list[Response] = []
        asyncio.run((by or self.control).handle(Request(method, uri, 5, fields, body), answers.append))
        (answer,) = answers
        assert dict(answer.headers)["CSeq"] == "5" and bytes(answer)
        return answer

    def set_up(self, transport: str = TCP) -> Response:
        answer = self.ask("SETUP", "rtsp://h/door/trackID=0", transport=transport)
        self.session = header(answer, "Session").partition(";")[0]
        return answer


def header(response: Response, name: str) -> str:
    return dict(response.headers)[name]


def test_a_complete_session() -> None:
    bench = Bench()
    assert header(bench.ask("OPTIONS", "*"), "Public") == ", ".join(METHODS)
    described = bench.ask("DESCRIBE", "rtsp://u:p@h:99/door?x=1", accept="application/sdp")
    assert described.status == 200 and header(described, "Content-Base") == "rtsp://h:99/door/"
    assert header(described, "Content-Type") == "application/sdp"
    set_up = bench.set_up()
    assert header(set_up, "Session").endswith(";timeout=60")
    assert header(set_up, "Transport") == 'RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=0000ABCD;mode="PLAY"'
    played = bench.ask("PLAY", "rtsp://h/door/")
    assert header(played, "RTP-Info") == "url=rtsp://h/door/trackID=0;seq=100;rtptime=9000"
    assert header(played, "Range") == "npt=now-" and header(played, "Session") == bench.session
    assert bench.ask("PLAY").status == 200  # once more is no harm and nothing new
    assert bench.ask("GET_PARAMETER").status == 200 and bench.ask("SET_PARAMETER").status == 200
    assert bench.ask("PAUSE").status == 200 and bench.ask("PLAY").status == 200
    assert bench.ask("TEARDOWN").status == 200
    assert bench.media.told == ["open", "play", "pause", "play", "close"] and len(bench.sessions) == 0
    assert bench.ask("PLAY", session=bench.session).status == 454


def test_the_description() -> None:
    lines = Bench().ask("DESCRIBE").body.decode().split("\r\n")
    assert lines[0] == "v=0" and lines[-1] == ""
    sets = ",".join(base64.b64encode(unit).decode() for unit in (FORMAT.sps, FORMAT.pps))
    assert f"a=fmtp:96 packetization-mode=1;profile-level-id=42c01f;sprop-parameter-sets={sets}" in lines
    for line in ("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=framerate:25", "a=framesize:96 320-240"):
        assert line in lines
    assert lines.index("a=control:*") < lines.index("m=video 0 RTP/AVP 96") < lines.index("a=control:trackID=0")


def test_a_relative_address_is_made_absolute() -> None:
    assert header(Bench().ask("DESCRIBE", "/door"), "Content-Base") == "rtsp://10.0.0.1:8554/door/"


@pytest.mark.parametrize(
    ("method", "uri", "headers", "status"),
    [
        ("DESCRIBE", "rtsp://h/none", {}, 404),
        ("DESCRIBE", "rtsp://h/", {}, 404),
        ("DESCRIBE", "*", {}, 404),
        ("DESCRIBE", "rtsp://h/door", {"accept": "text/plain"}, 406),
        ("DESCRIBE", "rtsp://h/door", {"require": "implicit-play"}, 551),
        ("SETUP", "rtsp://h/none/trackID=0", {"transport": TCP}, 404),
        ("SETUP", "rtsp://h/door/trackID=1", {"transport": TCP}, 404),
        ("SETUP", "rtsp://h/door/trackID=0", {}, 400),
        ("SETUP", "rtsp://h/door/trackID=0", {"transport": "RTP/AVP;multicast"}, 461),
        ("SETUP", "rtsp://h/door/trackID=0", {"transport": TCP, "session": "x"}, 454),
        ("PLAY", "rtsp://h/door", {}, 455),
        ("PLAY", "rtsp://h/door", {"session": "nonsense"}, 454),
        ("PAUSE", "rtsp://h/door", {}, 455),
        ("TEARDOWN", "rtsp://h/door", {"session": "nonsense"}, 454),
        ("GET_PARAMETER", "rtsp://h/door", {"session": "nonsense"}, 454),
        ("OPTIONS", "rtsp://h/door", {"session": "nonsense"}, 454),
        ("ANNOUNCE", "rtsp://h/door", {}, 405),
        ("RECORD", "rtsp://h/door", {}, 405),
        ("EXPLODE", "rtsp://h/door", {}, 501),
    ],
)
def test_refusals(method: str, uri: str, headers: dict[str, str], status: int) -> None:
    bench = Bench()
    answers: list[Response] = []
    asyncio.run(bench.control.handle(Request(method, uri, 5, headers), answers.append))
    (answer,) = answers
    assert answer.status == status
    assert bench.media.told == [] and len(bench.sessions) == 0


def test_refusals_once_a_session_is_there() -> None:
    bench = Bench()
    bench.set_up()
    assert bench.ask("PAUSE").status == 455
    assert bench.ask("PLAY", session="nonsense").status == 454
    assert bench.ask("PLAY", session="").status == 454
    assert bench.ask("PLAY", "rtsp://h/yard").status == 454
    assert bench.ask("PLAY", "rtsp://h/none").status == 404
    assert bench.ask("SETUP", "rtsp://h/yard/trackID=0", transport=TCP).status == 459
    assert bench.ask("SETUP", "rtsp://h/door/trackID=0", transport=TCP, session="").status == 455
    assert bench.ask("GET_PARAMETER", body=b"packets_received\r\n").status == 451
    assert bench.ask("SET_PARAMETER", body=b"volume: 11\r\n").status == 451
    assert bench.ask("PLAY").status == 200
    assert bench.ask("SETUP", "rtsp://h/door/trackID=0", transport=TCP).status == 455


def test_another_transport_before_playing() -> None:
    bench = Bench()
    bench.set_up(UDP)
    assert bench.ask("SETUP", "rtsp://h/door/trackID=0", transport=TCP).status == 200
    assert bench.media.told == ["open", "close", "open"] and len(bench.sessions) == 1


def test_udp_ports() -> None:
    bench = Bench()
    assert "client_port=5000-5001;server_port=7000-7001" in header(bench.set_up(UDP), "Transport")
    bench.media.ports = False
    assert bench.ask("SETUP", "rtsp://h/door/trackID=0", transport=UDP, session="").status == 503
    assert len(bench.sessions) == 1


def test_a_stream_that_is_not_there_yet() -> None:
    bench = Bench()
    bench.media.format_now = None
    assert bench.ask("DESCRIBE").status == 503
    bench.set_up()
    bench.media.start = None
    assert header(bench.ask("PLAY"), "RTP-Info") == "url=rtsp://h/door/trackID=0"


def test_sessions_time_out() -> None:
    bench = Bench()
    bench.set_up(UDP)
    bench.ask("PLAY")
    (silent,) = bench.sessions.of(bench.control)
    bench.now = 50
    assert bench.sessions.expired() == []
    bench.now = 70
    assert bench.sessions.expired() == [silent]
    bench.ask("OPTIONS", session="")  # any request on its connection is a sign of life
    assert bench.sessions.expired() == []


def test_sessions_that_play_are_counted() -> None:
    bench = Bench(most=2)
    for transport in (UDP, TCP):
        bench.session = ""
        bench.set_up(transport)
        bench.ask("PLAY")
    assert bench.ask("SETUP", transport=UDP, session="", by=bench.connect()).status == 503
    bench.now = 14
    assert bench.ask("SETUP", transport=UDP, session="", by=bench.connect()).status == 503
    bench.now = 16  # no report for so long: nobody may be there any more
    assert bench.ask("SETUP", transport=UDP, session="", by=bench.connect()).status == 200
    assert len(bench.sessions) == 2 and bench.media.told.count("close") == 1


def test_sessions_that_do_not_play_are_evicted() -> None:
    bench = Bench(most=2)
    idle = bench.connect()
    assert bench.ask("SETUP", transport=TCP, session="", by=idle).status == 200
    bench.now = 1
    bench.set_up(TCP)
    bench.ask("PLAY")
    for _ in range(3):
        bench.now += 1
        assert bench.ask("SETUP", transport=TCP, session="", by=bench.connect()).status == 200
    assert len(bench.sessions) == 2 and bench.sessions.of(idle) == []
    assert bench.ask("PAUSE").status == 200  # the one that played is still there


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def test_guessing_gets_slower_and_slower() -> None:
    bench, throttle = Bench(Authenticator("me", "secret")), LoginThrottle()

    def ask(password: str, peer: str = "10.0.0.66", control: Control | None = None) -> Response:
        control = control or bench.connect(peer, bench.auth, throttle)
        return bench.ask("DESCRIBE", authorization=basic(password), by=control)

    def recorder() -> int:
        control = bench.connect("10.0.0.66", bench.auth, throttle)
        return bench.ask("DESCRIBE", authorization=basic("secret"), user_agent="NVR", by=control).status

    known = bench.connect("10.0.0.66", bench.auth, throttle)
    assert ask("secret", control=known).status == recorder() == 200
    guesses = [ask(f"guess {number}").status for number in range(20)]
    assert guesses == [401] * 6 + [503] * 14
    assert header(ask("secret"), "Retry-After") == "1"  # right or wrong: it is not looked at
    assert ask("secret", "10.0.0.9").status == 200  # others do not wait
    assert ask("secret", control=known).status == recorder() == 200  # nor who was known before
    bench.now = 1.5
    assert ask("secret").status == 200
    assert ask("one more guess").status == 401 and ask("secret").status == 503


def test_over_tcp_playing_is_enough_to_keep_a_session_alive() -> None:
    bench = Bench()
    bench.set_up()
    bench.ask("PLAY")
    (session,) = bench.sessions.of(bench.control)
    bench.now = 1000
    assert session.state is SessionState.PLAYING and bench.sessions.expired() == []
    bench.ask("PAUSE")
    bench.now = 2000
    assert bench.sessions.expired() == [session]


def test_what_ends_with_the_connection() -> None:
    bench = Bench()
    bench.set_up()
    bench.control.end()
    assert bench.media.told == ["open", "close"] and len(bench.sessions) == 0
    bench.session = ""
    bench.set_up(UDP)
    bench.control.end()
    assert len(bench.sessions) == 1
    stranger, same = bench.connect("10.0.0.66"), bench.connect()
    assert bench.ask("TEARDOWN", by=stranger).status == 454
    assert bench.ask("TEARDOWN", by=same).status == 200


def test_a_tcp_session_belongs_to_its_connection() -> None:
    bench = Bench()
    bench.set_up()
    assert bench.ask("TEARDOWN", by=bench.connect()).status == 454
    assert len(bench.sessions) == 1


def test_credentials() -> None:
    right = "Basic " + base64.b64encode(b"me:secret").decode()
    wrong = "Basic " + base64.b64encode(b"me:guess").decode()
    bench = Bench(Authenticator("me", "secret"))
    assert bench.ask("OPTIONS").status == 200
    asked = bench.ask("DESCRIBE", "rtsp://h/none")
    assert asked.status == 401  # who may not watch does not learn what there is to watch
    assert [value.split()[0] for name, value in asked.headers if name == "WWW-Authenticate"] == ["Digest", "Basic"]
    for method in METHODS[1:]:
        assert bench.ask(method, "rtsp://h/door/trackID=0", transport=TCP).status == 401
    assert bench.ask("DESCRIBE", authorization=right).status == 200 and not bench.control.should_disconnect
    for _ in range(5):
        assert bench.ask("DESCRIBE", authorization=wrong).status == 401
    assert bench.control.should_disconnect


def test_an_old_nonce_is_distinguished_from_a_wrong_password() -> None:
    auth = Authenticator("me", "secret")
    bench = Bench(auth)
    bench.now = 1000.0
    nonce = auth.challenges(0.0)[0].split('nonce="')[1].split('"')[0]
    guess = f'Digest username="me", nonce="{nonce}", uri="rtsp://h/door", response="{0:032x}"'
    assert "stale" not in header(bench.ask("DESCRIBE", authorization=guess), "WWW-Authenticate")


@pytest.mark.parametrize(
    ("text", "transport"),
    [
        (TCP, Transport("RTP/AVP/TCP", True, (0, 1))),
        ("rtp/avp/tcp", Transport("RTP/AVP/TCP", True, (0, 1))),
        ("RTP/AVP/TCP;interleaved=4", Transport("RTP/AVP/TCP", True, (4, 5))),
        (UDP, Transport("RTP/AVP", False, (5000, 5001))),
        ("RTP/AVP/UDP;unicast;client_port=5000;mode=play", Transport("RTP/AVP/UDP", False, (5000, 5001))),
        ("RTP/AVP;multicast, RTP/SAVP;client_port=1-2," + TCP, Transport("RTP/AVP/TCP", True, (0, 1))),
        ("RTP/AVP;unicast;client_port=5000-5001;destination=10.0.0.9", Transport("RTP/AVP", False, (5000, 5001))),
        ("RTP/AVP;unicast;client_port=5000-5001;destination=10.0.0.8", None),
        ('RTP/AVP;unicast;client_port=5000-5001;mode="RECORD"', None),
        ("RTP/AVP;unicast", None),
        ("RTP/AVP;unicast;client_port=0-1", None),
        ("RTP/AVP;unicast;client_port=65535", None),
        ("RTP/AVP;unicast;client_port=7-7", None),
        ("RTP/AVP;unicast;client_port=-1", None),
        ("RTP/AVP/TCP;interleaved=255", None),
        ("RTP/AVP/TCP;interleaved=300-301", None),
        ("RTP/SAVP;unicast;client_port=5000-5001", None),
        ("", None),
        (";;;,,,", None),
    ],
)
def test_transports(text: str, transport: Transport | None) -> None:
    assert choose(text, "10.0.0.9") == transport
