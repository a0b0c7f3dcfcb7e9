"""What a confined process can still do: its job, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.service.work.sandbox import landlock_version

CONFINED = """
import os, socket, sys
from pathlib import Path
from streamer.service.work.sandbox import confine
confine(Path({folder!r}), 1000, 1 << 32, os.getppid())
"""


def confined(folder: Path, code: str) -> str:
    """What the code prints in a confined process; its last line says how it ended."""
    script = CONFINED.format(folder=str(folder)) + code
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("deed", "ends"),
    [
        ("socket.socket(socket.AF_INET)", "PermissionError"),
        ("socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)", "PermissionError"),
        ("socket.socket(socket.AF_UNIX)", "PermissionError"),
        ("os.execv('/bin/true', ['true'])", "PermissionError"),
        ("os.fork()", "PermissionError"),
        ("os.kill(os.getppid(), 0)", "PermissionError"),
        ("(Path(FOLDER) / 'large').write_bytes(bytes(1001))", "OSError: [Errno 27]"),
        ("Path(SECRET).read_text()", "PermissionError"),
        ("Path(SECRET).write_text('x')", "PermissionError"),
        ("os.link(SECRET, FOLDER + '/mine')", "[Errno"),
        ("Path(f'/proc/{os.getppid()}/environ').read_bytes()", "PermissionError"),
        ("list(Path.home().iterdir())", "PermissionError"),
        ("bytearray(1 << 33)", "MemoryError"),
        ("open('/dev/zero')", "PermissionError"),
    ],
)
def test_what_it_cannot(tmp_path: Path, deed: str, ends: str) -> None:
    if landlock_version() < 6 and any(word in deed for word in ("SECRET", "/proc", "home", "/dev")):
        pytest.skip("this kernel has no Landlock, or an old one")
    folder, secret = tmp_path / "job", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("somebody else's")
    said = confined(folder, f"FOLDER, SECRET = {str(folder)!r}, {str(secret)!r}\n{deed}\nprint('done')\n")
    assert ends in said, said
    assert secret.read_text() == "somebody else's"


def test_what_it_can(tmp_path: Path) -> None:
    code = f"""
import threading
path = Path({str(tmp_path)!r}) / "sub"
path.mkdir()
(path / "a").write_bytes(bytes(1000))
(path / "a").rename(path / "b")
thread = threading.Thread(target=lambda: print((path / "b").stat().st_size, os.nice(0)))
thread.start()
thread.join()
"""
    assert confined(tmp_path, code) == "1000 19"


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    code = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-P", "-c", '''
import os, time
from streamer.service.work.sandbox import die_with
die_with(os.getppid())
print(os.getpid(), flush=True)
time.sleep(600)
'''], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    child = int(done.stdout)
    # Whoever adopts it may take a moment to collect it: a zombie has ended.
    for _ in range(100):
        try:
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        os.sched_yield()
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError("it lives on")
