"""Takes away from this process what a job does not need: network, programs, other files, other processes. Linux only.

seccomp: https://docs.kernel.org/userspace-api/seccomp_filter.html; Landlock: .../userspace-api/landlock.html.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from streamer.service.work.system_calls import LIMITED, REFUSED

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


_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH; ordered as numbers are
_ENOUGH: Final = 3  # of Landlock: older ones let files be moved or cut off


class SandboxError(RuntimeError):
    """This system cannot confine a job."""


def confine(
    folder: Path | None,
    file_bytes: int,
    address_bytes: int,
    parent: int,
    niceness: int = NICENESS,
    inputs: Path | None = None,
) -> None:
    """Confine this process, which must have one thread, for good. Raises SandboxError.

    It can write only below `folder`, if there is one, and no file beyond `file_bytes`, has at most `address_bytes` of
    addresses, dies with its parent, and has no network; besides, it can read what is in `inputs`. Landlock is left out
    where the kernel does not have it.
    """
    _step_back(niceness)
    Path("/proc/self/oom_score_adj").write_text("1000")  # whoever runs out of memory: this process goes, not the server
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    die_with(parent, libc)
    _check(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _landlock(libc, folder, inputs)
    _seccomp(libc)


def _step_back(niceness: int) -> None:
    """Let others have the processor first, also those of other sessions (sched(7), "The autogroup feature")."""
    os.nice(niceness)
    if niceness and os.getsid(0) == os.getpid():  # else it would be the server's own group
        with contextlib.suppress(OSError):  # a kernel without it
            Path("/proc/self/autogroup").write_text(str(niceness))


def die_with(parent: int, libc: ctypes.CDLL | None = None) -> None:
    """Have the kernel kill this process as soon as the thread that started it ends. Raises SandboxError."""
    libc = libc or ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "pdeathsig")
    if os.getppid() != parent:  # it died before
        os._exit(1)


def landlock_version() -> int:
    """Version of the kernel's Landlock, which keeps jobs from other files; 0 or less if it has none."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(_LANDLOCK_CREATE, None, 0, 1))


def lacking() -> str | None:
    """One line on what this system lacks to confine jobs; None if it has everything."""
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
        return f"jobs cannot be confined on {platform.system()} {platform.machine()}, so none will be done"
    version = landlock_version()
    if version >= _ENOUGH:
        return None
    found = f"only version {version} of Landlock, not {_ENOUGH}" if version > 0 else "no Landlock"
    could = "move files or cut them off" if version > 0 else "read and write all files that the server can"
    return f"this kernel has {found}: a job that a damaged file has taken over could {could}"


def _seccomp(libc: ctypes.CDLL) -> None:
    """Refuse the network, programs, and whatever could reach other processes; threads can still be started."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise SandboxError(f"jobs cannot be confined on {machine}")
    here = list(_ARCHITECTURES).index(machine)
    # Each line: code, lines to skip if true, if false, operand. First the architecture, then the call's number.
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_ABOVE, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)]
    for call in filter(None, (numbers[here] for numbers in REFUSED.values())):
        program += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _REFUSE)]
    for name, test, operand, if_so, otherwise in (
        ("clone", _ANY_BIT, _THREAD, _ALLOW, _REFUSE),
        ("clone3", _EQUAL, 0, _UNKNOWN, _UNKNOWN),  # its flags are in memory, where no filter looks; then clone is used
        ("prctl", _EQUAL, _PDEATHSIG, _REFUSE, _ALLOW),
        ("prlimit64", _EQUAL, 0, _ALLOW, _REFUSE),  # 0: itself
        ("sched_setaffinity", _EQUAL, 0, _ALLOW, _REFUSE),
        ("tgkill", _EQUAL, os.getpid(), _ALLOW, _REFUSE),  # `abort`
    ):
        # 16: the first argument. All of these are 32 bits wide to the kernel, or compared by their lower half.
        program += [(_EQUAL, 0, 4, LIMITED[name][here]), (_LOAD, 0, 0, 16), (test, 0, 1, operand)]
        program += [(_RETURN, 0, 0, if_so), (_RETURN, 0, 0, otherwise)]
    program += [(_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    given = Program(len(program), ctypes.addressof(code))
    _check(libc.prctl(_SECCOMP, _FILTER_MODE, ctypes.byref(given), 0, 0), "seccomp")


def _landlock(libc: ctypes.CDLL, folder: Path | None, inputs: Path | None) -> None:
    """Leave to this process: the program, the system and `inputs` to read, `folder` to read and write."""
    version = landlock_version()
    if version < 1:
        return
    rights = (1 << _LATER_RIGHTS.get(version, _ALL_RIGHTS)) - 1
    given = struct.pack("QQQ", rights, 0, _SCOPED) if version >= 6 else struct.pack("Q", rights)
    ruleset = libc.syscall(_LANDLOCK_CREATE, given, len(given), 0)
    _check(ruleset, "landlock")
    try:
        for path in [*_readable(), *([] if inputs is None else [inputs])]:
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
