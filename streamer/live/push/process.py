"""The parent's side of a push process: packets go in, states and errors come out, and it always ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from streamer.live.packet import VideoPacket
from streamer.live.push import worker as push_worker
from streamer.live.push.worker import HEAD, LENGTH, PushJob

_WORKER = str(Path(push_worker.__file__))


class PushProcess:
    """One connection to a server. No call blocks for longer than its timeout. Raises OSError if it cannot start.

    The address is passed through a pipe because everybody can see a command line.
    """

    def __init__(self, job: PushJob) -> None:
        self.connected = False
        self.ended = False
        self._timeout = job["timeout"]
        self._error: str | None = None
        self._received = b""
        # Its own session, so that Ctrl-C reaches only the parent, which then ends this process with a TEARDOWN.
        self._process = subprocess.Popen(
            [sys.executable, "-P", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        text = json.dumps(job).encode()
        self._unsent = bytearray(LENGTH.pack(len(text)) + text)

    @property
    def pending(self) -> bool:
        """Whether a packet that was offered has not been written to the process yet."""
        return bool(self._unsent)

    @property
    def cause(self) -> str:
        """Why the process ended."""
        if self._error is not None:
            return self._error
        if self._process.returncode == -signal.SIGALRM:
            return f"no answer within {self._timeout:g} s"
        return f"the pushing process ended with code {self._process.returncode}"

    def offer(self, packet: VideoPacket, pts: int) -> None:
        """Queue a packet. Call it only when nothing is pending, so that the buffer stays bounded."""
        self._unsent += HEAD.pack(pts, packet.duration, packet.keyframe, len(packet.data)) + packet.data

    def pump(self, timeout: float) -> None:
        """Write queued data and read messages; returns as soon as anything happens, or after `timeout` seconds."""
        if self.ended:
            return
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        if self._unsent:
            poll.register(self._in, select.POLLOUT)
        for fd, _ in poll.poll(timeout * 1000):
            try:
                if fd == self._out:
                    self._listen()
                else:
                    del self._unsent[: os.write(fd, self._unsent)]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                # The process is ending; its error message comes through the other pipe.
                self._unsent.clear()

    def end(self, timeout: float) -> None:
        """Let it send TEARDOWN for up to `timeout` seconds, then kill it. May be called twice."""
        deadline = time.monotonic() + timeout
        # Before RECORD there is no session to tear down.
        while self.connected and self.pending and not self.ended and (left := deadline - time.monotonic()) > 0:
            self.pump(left)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        while self.connected and not self.ended and (left := deadline - time.monotonic()) > 0:
            self._unsent.clear()
            self.pump(left)
        if not self.ended:
            self._process.kill()
            self._gone()
        self._process.stdout.close()

    def _listen(self) -> None:
        data = os.read(self._out, 4096)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message: dict[str, str] = json.loads(line)
            self.connected = self.connected or message.get("state") == "connected"
            self._error = message.get("error", self._error)
        if not data:
            self._gone()

    def _gone(self) -> None:
        # Its end of the pipe is closed, so it is exiting, and every blocking call in it has an alarm.
        self._process.wait()
        self.ended = True
