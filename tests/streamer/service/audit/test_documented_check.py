"""The program in docs/audit.md, which needs nothing of veilcast, finds what it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.service.audit.checkpoint import Checkpoints
from streamer.service.audit.keys import AuditKey
from tests.streamer.service.audit.log_rig import add, change, log_of, rewrite

PAGE = Path(__file__).parents[4] / "docs" / "audit.md"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (None, "7 entries hold; the first 5 are those that were signed for"),
        ("UPDATE audit SET entry = replace(entry, 'local', 'other') WHERE number = 2", "entry 2 or 3 was changed"),
        ("DELETE FROM audit WHERE number = 3", "something is missing or moved at entry 4"),
        ("DELETE FROM audit WHERE number > 4", "the log was cut off or rewritten"),
        ("rewrite", "the log was cut off or rewritten"),
        ("checkpoint", "InvalidSignature"),
    ],
)
def test_it_finds_what_was_done(harm: str | None, said: str, tmp_path: Path) -> None:
    database, key = log_of(tmp_path, 5), AuditKey(b"k" * 32)
    (tmp_path / "c").mkdir()
    checkpoint = Checkpoints(database, key, tmp_path / "c").write()
    assert checkpoint is not None
    add(database, 2)
    if harm == "rewrite":
        rewrite(database, 7)
    elif harm == "checkpoint":
        checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\n5\n", b"\n4\n"))
    elif harm is not None:
        change(database, harm)
    database.close()
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    command = [sys.executable, "-I", "-c", program, tmp_path / "veilcast.db", checkpoint, str(key.public)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) == (harm is None)
