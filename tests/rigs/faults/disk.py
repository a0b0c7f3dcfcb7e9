"""A disk that can be full: a small file system of its own where this user may mount one."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path
from types import TracebackType


class SmallDisk:
    """A context manager. Without the right to mount, `fill` limits how large the process's files may be."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.path = folder / "disk"
        self._megabytes = megabytes
        self._mounted = False

    def __enter__(self) -> SmallDisk:
        self.path.mkdir()
        mount = shutil.which("mount")
        options = ["-t", "tmpfs", "-o", f"size={self._megabytes}m", "none", str(self.path)]
        if mount is not None:
            self._mounted = subprocess.run([mount, *options], capture_output=True, check=False).returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=True)

    @property
    def is_real(self) -> bool:
        """Whether it is a file system of its own, which others see to be full."""
        return self._mounted

    def fill(self, pid: int) -> None:
        """Fill the disk: further writes fail."""
        if not self._mounted:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
            return
        try:
            with (self.path / "filler").open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            return

    def free(self, pid: int) -> None:
        """Free the space again."""
        if not self._mounted:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            return
        (self.path / "filler").unlink(missing_ok=True)
