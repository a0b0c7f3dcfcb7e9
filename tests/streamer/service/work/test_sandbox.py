"""What a confined process can still do: its job, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.service.work import sandbox
from streamer.service.work.sandbox import lacking, landlock_version
from streamer.service.work.system_calls import REFUSED

CONFINED = """
import ctypes, os, platform, resource, signal, socket, sys
from pathlib import Path
from streamer.service.work.sandbox import confine
from streamer.service.work.system_calls import LIMITED, REFUSED

libc = ctypes.CDLL(None, use_errno=True)
other = os.getppid()

def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def numbered(names):
    return {{name: number for name, numbers in names.items() if (number := numbers[platform.machine() == "aarch64"])}}

kept = open({folder!r} + "/kept", "w+b", buffering=0)
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
        # Errno 1 is the filter's answer; Landlock's would be 13. Each deed would change nothing.
        ("socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "[Errno 1]"),
        ("resource.prlimit(other, resource.RLIMIT_NOFILE)", "PermissionError"),
        ("os.setpriority(os.PRIO_PROCESS, other, os.getpriority(os.PRIO_PROCESS, other))", "[Errno 1]"),
        ("os.sched_setscheduler(other, os.SCHED_OTHER, os.sched_param(0))", "[Errno 1]"),
        ("os.sched_setparam(other, os.sched_param(0))", "[Errno 1]"),
        ("os.sched_setaffinity(other, os.sched_getaffinity(other))", "[Errno 1]"),
        ("call(numbered(LIMITED)['tgkill'], other, os.getpid(), 0)", "[Errno 1]"),
        ("call(numbered(REFUSED)['rt_sigqueueinfo'], other, 0, 0)", "[Errno 1]"),
        ("call(numbered(REFUSED)['pidfd_getfd'], kept.fileno(), 0, 0)", "[Errno 1]"),
        ("os.pidfd_open(other)", "[Errno 1]"),
        ("call(numbered(LIMITED)['prctl'], 1, 0)", "[Errno 1]"),
        ("os.chmod(SECRET, 0o644)", "[Errno 1]"),
        ("os.chmod(FOLDER + '/kept', 0o644)", "[Errno 1]"),
        ("os.fchmod(os.open(sys.prefix, os.O_RDONLY), 0o755)", "[Errno 1]"),
        ("os.chown(SECRET, -1, -1)", "[Errno 1]"),
        ("os.lchown(SECRET, -1, -1)", "[Errno 1]"),
        ("os.fchown(kept.fileno(), -1, -1)", "[Errno 1]"),
        ("os.setxattr(SECRET, 'user.veilcast', b'x')", "[Errno 1]"),
        ("os.removexattr(SECRET, 'user.veilcast')", "[Errno 1]"),
        ("os.utime(SECRET)", "[Errno 1]"),
        ("os.truncate(SECRET, 0)", "[Errno 1]"),
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


def test_every_call_of_the_list(tmp_path: Path) -> None:
    """With arguments that make no sense: whatever comes through would be refused for another reason."""
    code = """
for name, number in numbered(REFUSED).items():
    try:
        call(number, -1, -1, -1, -1, -1, -1)
    except OSError as error:
        if error.errno == 1:
            continue
    print(name, end=" ")
print("done")
"""
    assert confined(tmp_path, code) == "done"


def test_what_is_on_the_list() -> None:
    """What no deed tells apart, as the system refuses it anyway unless the server runs as root, or is too old."""
    words = """
        accept bind connect listen kcmp ioprio_set sched_setattr shmget semget msgget mq_open process_vm_readv ptrace
        request_key rt_tgsigqueueinfo userfaultfd tkill fchmodat fchmodat2 setxattrat setns unshare mount bpf
        chroot pivot_root acct reboot swapon kexec_load kexec_file_load init_module finit_module quotactl
    """
    assert set(words.split()) <= REFUSED.keys()


def test_what_it_can(tmp_path: Path) -> None:
    code = f"""
import threading
kept.write(b"abc")
kept.truncate(1)
os.sched_setaffinity(0, os.sched_getaffinity(0))
resource.setrlimit(resource.RLIMIT_CPU, resource.getrlimit(resource.RLIMIT_CPU))
signal.pthread_kill(threading.get_ident(), 0)
path = Path({str(tmp_path)!r}) / "sub"
path.mkdir()
(path / "a").write_bytes(bytes(1000))
(path / "a").rename(path / "b")
thread = threading.Thread(target=lambda: print((path / "b").stat().st_size, os.getpriority(os.PRIO_PROCESS, 0)))
thread.start()
thread.join()
"""
    assert confined(tmp_path, code) == "1000 19"


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no autogroups")
def test_it_makes_way_for_other_sessions_too(tmp_path: Path) -> None:
    """A niceness alone counts only among the processes of one session."""
    script = (
        CONFINED.format(folder=str(tmp_path)) + "sys.stdout.write('there\\n')\nsys.stdout.flush()\nsys.stdin.read()"
    )
    command = [sys.executable, "-P", "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"there\n"
        own = Path(f"/proc/{process.pid}/autogroup").read_text()
        process.stdin.close()
    assert own.endswith("nice 19\n")
    before = Path("/proc/self/autogroup").read_text()
    confined(tmp_path, "print(1)")  # in this session
    assert Path("/proc/self/autogroup").read_text() == before


def test_what_a_step_needs_can_be_read_and_not_changed(tmp_path: Path) -> None:
    if landlock_version() < 3:
        pytest.skip("this kernel has no Landlock, or an old one")
    inputs, folder = tmp_path / "in", tmp_path / "out"
    for each in (inputs, folder):
        each.mkdir()
    (inputs / "original").write_text("a film")
    script = CONFINED.format(folder=str(folder)).replace(
        "os.getppid())\n", f"os.getppid(), inputs=Path({str(inputs)!r}))\n"
    )
    code = """
print((inputs / "original").read_text())
for deed in (
    lambda: (inputs / "original").write_text("x"),
    lambda: (inputs / "original").unlink(),
    lambda: (inputs / "more").touch(),
):
    try:
        deed()
    except PermissionError:
        print("refused")
"""
    script += f"inputs = Path({str(inputs)!r})\n{code}"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n") == ["a film", "refused", "refused", "refused", ""], done.stderr


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


@pytest.mark.parametrize(
    ("version", "said"), [(-1, "no Landlock"), (0, "no Landlock"), (2, "only version 2 of Landlock, not 3"), (3, None)]
)
def test_what_is_lacking(monkeypatch: pytest.MonkeyPatch, version: int, said: str | None) -> None:
    monkeypatch.setattr(sandbox, "landlock_version", lambda: version)
    line = lacking()
    assert line is None if said is None else line is not None and said in line and "\n" not in line
    monkeypatch.setattr("platform.machine", lambda: "sparc")
    assert "cannot be confined on Linux sparc" in str(lacking())
