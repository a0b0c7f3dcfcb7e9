"""Takes away from this process what a job does not need: network, programs, other files, other processes. Linux only.

seccomp: https://docs.kernel.org/userspace-api/seccomp_filter.html; Landlock: .../userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

NICENESS: Final = 19
"""Of jobs: cameras and the API come first."""

_PDEATHSIG, _NO_NEW_PRIVS, _SECCOMP, _FILTER_MODE = 1, 38, 22, 2  # prctl
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_READ, _WRITE = 0b1100, 0b111111111111110  # read files and folders; all but execute, devices' ioctl and later rights
_LATER_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights on files each version of Landlock knows
_ALL_RIGHTS: Final = 16
_SCOPED: Final = 0b11  # abstract sockets and signals, from version 6 on

_ALLOW, _REFUSE, _UNKNOWN, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000  # go on; EPERM; ENOSYS; kill
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: load a word, ==, >=, &, return
_X32: Final = 0x40000000  # the x32 system calls would otherwise be a way around
_THREAD: Final = 0x10000  # CLONE_THREAD
_CLONE3: Final = 435  # its flags are in memory, where a filter cannot look; libraries then use clone


@dataclass(frozen=True, slots=True)
class _Calls:
    """Numbers of system calls on one architecture, whose AUDIT_ARCH value is `arch`."""

    arch: int
    clone: int
    refused: tuple[int, ...]


_CALLS: Final = {
    # socket, execve, execveat, ptrace, process_vm_readv and writev, io_uring (3), kill, tkill, pidfd_send_signal, bpf,
    # perf_event_open, mount, unshare, add_key, keyctl, open_by_handle_at; x86-64 also has fork and vfork.
    "x86_64": _Calls(
        0xC000003E,
        56,
        (41, 59, 322, 101, 310, 311, 425, 426, 427, 62, 200, 424, 321, 298, 165, 272, 248, 250, 304, 57, 58),
    ),
    "aarch64": _Calls(
        0xC00000B7,
        220,
        (198, 221, 281, 117, 270, 271, 425, 426, 427, 129, 130, 424, 280, 241, 40, 97, 217, 219, 265),
    ),
}


class SandboxError(RuntimeError):
    """This system cannot confine a job."""


def confine(folder: Path | None, file_bytes: int, address_bytes: int, parent: int, niceness: int = NICENESS) -> None:
    """Confine this process, which must have one thread, for good. Raises SandboxError.

    It can write only below `folder`, if there is one, and no file beyond `file_bytes`, has at most `address_bytes` of
    addresses, dies with its parent, and has no network. Landlock is left out where the kernel does not have it.
    """
    os.nice(niceness)
    Path("/proc/self/oom_score_adj").write_text("1000")  # whoever runs out of memory: this process goes, not the server
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    die_with(parent, libc)
    _check(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _landlock(libc, folder)
    _seccomp(libc)


def die_with(parent: int, libc: ctypes.CDLL | None = None) -> None:
    """Have the kernel kill this process as soon as the thread that started it ends. Raises SandboxError."""
    libc = libc or ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "pdeathsig")
    if os.getppid() != parent:  # it died before
        os._exit(1)


def landlock_version() -> int:
    """Version of the kernel's Landlock, which keeps jobs from other files; 0 or less if it has none."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(_LANDLOCK_CREATE, None, 0, 1))


def _seccomp(libc: ctypes.CDLL) -> None:
    """Refuse the network, programs, and whatever could reach other processes; threads can still be started."""
    machine = platform.machine()
    if machine not in _CALLS:
        raise SandboxError(f"jobs cannot be confined on {machine}")
    calls = _CALLS[machine]
    # Each line: code, lines to skip if true, if false, operand. First the architecture, then the call's number.
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, calls.arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_ABOVE, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)]
    for call in calls.refused:
        program += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _REFUSE)]
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN)]
    program += [(_EQUAL, 0, 4, calls.clone), (_LOAD, 0, 0, 16), (_ANY_BIT, 0, 1, _THREAD), (_RETURN, 0, 0, _ALLOW)]
    program += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    given = Program(len(program), ctypes.addressof(code))
    _check(libc.prctl(_SECCOMP, _FILTER_MODE, ctypes.byref(given), 0, 0), "seccomp")


def _landlock(libc: ctypes.CDLL, folder: Path | None) -> None:
    """Leave to this process: the program and the system to read, `folder`, if any, to read and write."""
    version = landlock_version()
    if version < 1:
        return
    rights = (1 << _LATER_RIGHTS.get(version, _ALL_RIGHTS)) - 1
    given = struct.pack("QQQ", rights, 0, _SCOPED) if version >= 6 else struct.pack("Q", rights)
    ruleset = libc.syscall(_LANDLOCK_CREATE, given, len(given), 0)
    _check(ruleset, "landlock")
    try:
        for path in _readable():
            _allow(libc, ruleset, path, _READ if path.is_dir() else 0b100)
        _allow(libc, ruleset, Path("/dev/null"), 0b110)
        if folder is not None:
            _allow(libc, ruleset, folder, _WRITE & rights)
        _check(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock")
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, descriptor)
        _check(libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), "landlock")
    finally:
        os.close(descriptor)


def _readable() -> Iterable[Path]:
    """Python, the installed packages, this program, and what the system's libraries look at."""
    packages = [
        spec.submodule_search_locations for name in ("core", "streamer", "configs") if (spec := find_spec(name))
    ]
    own = [Path(place) for places in packages for place in places or ()]
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc/self", "/proc/cpuinfo"]
    system += ["/proc/meminfo", "/proc/stat", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom"]
    known = {Path(sys.prefix), Path(sys.base_prefix), *(Path(place) for place in sys.path if "site-packages" in place)}
    return [path for path in [*map(Path, system), *known, *own] if path.exists()]


def _check(result: int, what: str) -> None:
    if result < 0:
        raise SandboxError(f"jobs cannot be confined here ({what}: {os.strerror(ctypes.get_errno())})")
