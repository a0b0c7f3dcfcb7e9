"""Runs a program with what a container of `deploy/` has: a root that nobody can write to, and no capabilities."""

from __future__ import annotations

import functools
import shlex
import subprocess
from pathlib import Path


def locked(folder: Path) -> list[str]:
    """A command that becomes the one behind it, which can write below `folder` alone. Needs root's mount namespaces."""
    here = shlex.quote(str(folder))
    steps = [
        "mount --make-rprivate /",
        f"mount --bind {here} {here}",
        "mount -o remount,bind,ro /",
        f'exec env TMPDIR={here} MPLCONFIGDIR={here} setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"',
    ]
    return ["unshare", "--mount", "sh", "-c", " && ".join(steps), "locked"]


@functools.cache
def missing_lock() -> str | None:
    """Why nothing can be locked here; None if it can."""
    try:
        done = subprocess.run([*locked(Path("/dev/shm")), "true"], capture_output=True, timeout=30, check=False)
    except OSError:
        return "needs unshare"
    return None if done.returncode == 0 else "needs the right to mount"
