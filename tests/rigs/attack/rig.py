"""Camera -> `veilcast live` -> viewers, newcomers, recordings, push target; measures what an attack does to them."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from tests.rigs.attack.attacks import ATTACKS
from tests.rigs.attack.push_target import PushTarget
from tests.rigs.attack.recorded import recorded_rate
from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.faults.live_process import LiveProcess

STRANGERS: Final = tuple(f"127.0.0.{n}" for n in range(2, 6))
"""Source addresses of attackers; good clients use 127.0.0.1."""
NEIGHBOURS: Final = ("127.0.0.1",)
"""As if attackers and good clients were behind one router."""
USER, PASSWORD, TOKEN = "viewer", "right-password", "right-token"
RATE: Final = 25
CLIENTS: Final = ("rtsp", "whep", "recording", "push")
NEWCOMERS: Final = ("rtsp", "page", "whep")

_SETTINGS: Final = """
live:
  encoder: {key_interval: 1.0}
  recording: {segment_seconds: 1, keep_mb: 200}
  pushing: {timeout: 3}
"""
_LOCKED: Final = f"""\
  rtsp_access: {{user: {USER}, password: {PASSWORD}}}
  web: {{token: {TOKEN}}}
"""
PATIENCE: Final = 4.0
"""Seconds for which the attack goes on for the sake of newcomers who are still waiting."""
_ENDS: Final = 20.0
_REST: Final = 1.0  # seconds for what is said late


@dataclass(frozen=True)
class Outcome:
    """What an attack did. `rates`: pictures a second before and during it, by client; `gaps`: longest without one, s.

    `newcomers`: those that were served, those that came, and the longest wait in seconds, by kind. `cpu`: cores before,
    during, and near the end of it. `camera_back`: it was connected to anew. `ended`: seconds from SIGTERM to the end,
    None where none was sent.
    """

    attack: str
    rates: dict[str, tuple[float, float]]
    gaps: dict[str, float]
    newcomers: dict[str, tuple[int, int, float]]
    why: tuple[str, ...]
    cpu: tuple[float, float, float]
    descriptors: int
    tally: dict[str, int]
    said: tuple[str, ...]
    camera_back: bool = False
    tracebacks: int = 0
    crashed: str = ""
    thrown_out: int = 0
    ended: float | None = None


class Rig:
    """A context manager; entered, all clients get pictures. `descriptors` is all that the service may have open."""

    def __init__(self, folder: Path, *, locked: bool, descriptors: int | None = None) -> None:
        self._folder, self._locked, self._descriptors = folder, locked, descriptors
        self._stack = ExitStack()
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Rig:
        with ExitStack() as stack:
            self._enter(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def attack(
        self, name: str, seconds: float, sources: Sequence[str], *, calm: float = 4.0, then_stop: bool = False
    ) -> Outcome:
        """Watch for `calm` seconds, attack for `seconds`; `then_stop`: SIGTERM while the attack still goes on."""
        said_before = len(self.live.said)
        before = time.time()
        cpu_before = self._cpu_over(calm)
        longer = seconds + PATIENCE + _ENDS  # they are told when to stop
        ports = str(self._rtsp), str(self._web)
        command = [sys.executable, "-m", "tests.rigs.attack.attackers", name, *ports, str(self.live.pid)]
        attackers = subprocess.Popen([*command, str(longer), *sources], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert attackers.stdout is not None
            attackers.stdout.readline()  # they are ready
            begun = time.time()
            cpu_during = self._cpu_over(seconds / 2)
            if ATTACKS[name].camera_returns:
                self.camera.restart()
            cpu_late = self._cpu_over(seconds / 2)
            over, descriptors = time.time(), self._open_descriptors()
            answered = self._until_newcomers_know(begun, over)
            crashed = "" if self.live.exit_code is None else f"exit code {self.live.exit_code}"
            ended = self._stop() if then_stop and not crashed else None
            attackers.terminate()
            out, problems = attackers.communicate(timeout=longer + 30)
        finally:
            attackers.kill()
            attackers.wait(10)
        if attackers.returncode:
            raise RuntimeError(f"{name}: the attackers failed ({attackers.returncode}): {problems.decode()[-2000:]}")
        time.sleep(0.2 if then_stop else _REST)
        said = list(self.live.said)[said_before:]
        return self._outcome(
            name,
            (before, begun, over, answered),
            (cpu_before, cpu_during, cpu_late),
            crashed,
            ended,
            descriptors,
            json.loads(out or b"{}"),
            said,
        )

    def stop(self) -> float:
        """Seconds from SIGTERM to the end of the service."""
        return self._stop()

    def _outcome(
        self,
        name: str,
        times: tuple[float, float, float, float],
        cpu: tuple[float, float, float],
        crashed: str,
        ended: float | None,
        descriptors: int,
        tally: dict[str, int],
        said: list[str],
    ) -> Outcome:
        before, begun, over, answered = times
        pictures = {"push": list(self.push.arrived)}
        thrown_out = 0
        for who in ("rtsp", "whep"):
            events = self._events(who)
            pictures[who] = [event["at"] for event in events if event["event"] == "picture"]
            thrown_out += sum(e["event"] == "gone" and begun <= e["at"] <= over for e in events)
        rates = {who: (_rate(at, before, begun), _rate(at, begun, over)) for who, at in pictures.items()}
        records = self._folder / "records"
        calm = recorded_rate(records, before - 5, begun)
        rates["recording"] = calm, recorded_rate(records, begun - 0.2, over + 0.2)
        gaps = {who: _longest_gap(at, begun, over) for who, at in pictures.items()}
        events = self._events("newcomers")
        newcomers, why = {}, list[str]()
        for kind in NEWCOMERS:
            came = [
                e["began"] for e in events if e["event"] == "comes" and e["who"] == kind and begun <= e["began"] <= over
            ]
            done = {e["began"]: e for e in events if e["event"] == kind and e["at"] <= answered}
            served = sum(at in done and done[at]["took"] is not None for at in came)
            waited = max(((done[at]["at"] if at in done else answered) - at for at in came), default=over - begun)
            newcomers[kind] = served, len(came), round(waited, 2)
            why += [f"{kind}: {done[at]['why'] if at in done else 'no answer'}" for at in came]
        why = [reason for reason in why if not reason.endswith(": ")]
        problems = [line[:200] for line in said if "level=warning" in line or "level=error" in line]
        return Outcome(
            attack=name,
            rates=rates,
            gaps=gaps,
            newcomers=newcomers,
            why=tuple(dict.fromkeys(why)),
            cpu=cpu,
            descriptors=descriptors,
            tally=tally,
            said=tuple(problems[:20]),
            camera_back=any("veilcast.camera" in line and "message=connected" in line for line in said),
            tracebacks=sum("Traceback" in line for line in said),
            crashed=crashed,
            thrown_out=thrown_out,
            ended=ended,
        )

    def _enter(self, stack: ExitStack) -> None:
        clip, settings = self._folder / "clip.mp4", self._folder / "settings.yaml"
        coded_clip(None, clip, (320, 240), RATE)
        settings.write_text(_SETTINGS + (_LOCKED if self._locked else ""))
        self.camera = stack.enter_context(RtspCamera(clip))
        self.push = stack.enter_context(PushTarget(self._folder))
        arguments = [
            self.camera.url,
            "--rtsp",
            "0/door",
            "--webrtc",
            "0",
            "--config",
            str(settings),
            "--transport",
            "tcp",
        ]
        arguments += ["--record", str(self._folder / "records"), "--push", self.push.url]
        self.live = stack.enter_context(LiveProcess(arguments))
        if self._descriptors is not None:
            resource.prlimit(self.live.pid, resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))
        self._rtsp = int(self.live.address("rtsp").rpartition(":")[2].partition("/")[0])
        self._web = int(self.live.address("http").rpartition(":")[2].partition("/")[0])
        self.live.until(lambda: self.live.metrics().get("state{settled}") == 1, "settled")
        for who in ("rtsp", "whep", "newcomers"):
            stack.enter_context(self._client(who))
        self._until_all_get_pictures()

    def _client(self, who: str) -> ExitStack:
        credentials = [f"{USER}:{PASSWORD}:{TOKEN}"] if self._locked else []
        command = [sys.executable, "-m", "tests.rigs.attack.good_clients", who, str(self._rtsp), str(self._web)]
        stack = ExitStack()
        out = stack.enter_context((self._folder / f"{who}.jsonl").open("wb"))
        errors = stack.enter_context((self._folder / f"{who}.err").open("wb"))
        process = subprocess.Popen([*command, *credentials], stdout=out, stderr=errors)
        stack.callback(process.wait, 10)
        stack.callback(process.kill)
        return stack

    def _events(self, who: str) -> list[dict[str, Any]]:
        lines = (self._folder / f"{who}.jsonl").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _until_newcomers_know(self, begun: float, over: float) -> float:
        """Wait, for a bounded time, until newcomers of that period are served or refused; returns when that was."""
        while time.time() < over + PATIENCE:
            events = self._events("newcomers")
            came = {(e["who"], e["began"]) for e in events if e["event"] == "comes" and begun <= e["began"] <= over}
            if came <= {(e["event"], e["began"]) for e in events}:
                break
            time.sleep(0.05)
        return time.time()

    def _until_all_get_pictures(self) -> None:
        def flows() -> bool:
            recent = time.time() - 1
            watched = all(any(e["event"] == "picture" for e in self._events(w)[-30:]) for w in ("rtsp", "whep"))
            visits = {v["event"] for v in self._events("newcomers") if v.get("took") is not None}
            recorded = len(list((self._folder / "records").glob("*/*.mp4"))) >= 3
            return watched and recorded and visits == set(NEWCOMERS) and self.push.arrived[-1:] > [recent]

        self.live.until(flows, "serving everybody")

    def _stop(self) -> float:
        begun = time.monotonic()
        os.kill(self.live.pid, signal.SIGTERM)
        while self.live.exit_code is None and time.monotonic() - begun < _ENDS:
            time.sleep(0.02)
        return time.monotonic() - begun

    def _cpu_over(self, seconds: float) -> float:
        before, begun = self._cpu(), time.monotonic()
        time.sleep(seconds)
        return max(0.0, self._cpu() - before) / (time.monotonic() - begun)

    def _cpu(self) -> float:
        """Seconds of processor time so far."""
        try:
            fields = Path(f"/proc/{self.live.pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _open_descriptors(self) -> int:
        try:
            return len(list(Path(f"/proc/{self.live.pid}/fd").iterdir()))
        except OSError:
            return 0


def _rate(at: Sequence[float], begin: float, end: float) -> float:
    return sum(begin <= moment < end for moment in at) / max(end - begin, 0.1)


def _longest_gap(at: Sequence[float], begin: float, end: float) -> float:
    moments = [begin, *(moment for moment in at if begin <= moment < end), end]
    return round(max(b - a for a, b in itertools.pairwise(moments)), 2)
