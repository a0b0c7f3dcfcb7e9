"""What is wrong with one run: the rules that a damaged file must not break."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

HANGS: Final = 60.0
"""Seconds after which a run counts as hanging."""
MOST_MB: Final = 2000
FINDINGS: Final = {
    "traceback": "an exception that nobody caught",
    "signal": "killed by a signal",
    "hang": f"not done after {HANGS:g} s",
    "memory": f"took more than {MOST_MB} MB",
    "leftover": "left a file behind, or a copy where it said that there is none",
    "code": "an exit code that does not exist",
    "face": "a face of the original can be recognised in the copy",
    "broken": "the copy cannot be read back",
    "lost-silently": "pictures are missing in the copy, and no warning said so",
    "lost-code": "pictures are missing in the copy: a warning, but not exit code 3",
    "damage-silently": "damage that an independent reader sees, and no warning said so",
    "damage-code": "damage that an independent reader sees: a warning, but not exit code 3",
}
DONE, DEGRADED = 0, 3


@dataclass
class Result:
    """One run. `code` is None where it had to be killed, negative for a signal; `notes` accuse nobody."""

    index: int
    seed: str
    mutation: str
    code: int | None
    seconds: float = 0.0
    peak_mb: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge_run(result: Result, said: str, left: Sequence[str], copied: bool) -> None:
    """Adds what is wrong with the run itself; `said` is what it wrote on stderr, `left` files that are not the copy."""
    if "Traceback (most recent call last)" in said:
        result.findings["traceback"] = said.strip().splitlines()[-1][:200]
    if result.peak_mb > MOST_MB:
        result.findings.setdefault("memory", f"{result.peak_mb:.0f} MB")
    if result.code is not None and result.code >= 0 and result.code not in (0, 1, 2, 3):
        result.findings["code"] = str(result.code)
    done = result.code in (DONE, DEGRADED)
    # Nobody can tidy up after being killed.
    if left and result.code is not None and result.code >= 0:
        result.findings["leftover"] = ", ".join(left)[:200]
    elif not done and copied and result.code is not None:
        result.findings["leftover"] = f"a copy with exit code {result.code}"
    elif done and not copied:
        result.findings["broken"] = "no copy is there"
    if result.code == 1:
        result.notes["output blamed"] = _last_line(said)
    result.notes["said"] = said[-600:]


def judge_copy(result: Result, seen: dict[str, Any], said: str) -> None:
    """Adds what is wrong with the copy, by what the judge saw."""
    result.notes["seen"] = seen
    if "copy_frames" not in seen:
        if seen["frames"]:
            result.notes["refused"] = seen["frames"]
        return
    warned = bool(re.search(r"^warning:", said, re.MULTILINE))
    if seen["faces"]:
        result.findings["face"] = "; ".join(seen["faces"])[:400]
    if not seen["looked"]:
        result.notes["not looked at"] = True
    if not seen["copy_frames"]:
        result.findings["broken"] = "nothing in it can be decoded"
    due = max(seen["frames"], seen["packets"])
    if seen["copy_frames"] < due and (kind := _unsaid(result, warned)):
        result.findings[f"lost-{kind}"] = (
            f"{seen['packets']} packets, {seen['frames']} pictures ({seen['frames_with_corrupt']} with damaged ones), "
            f"{seen['copy_frames']} in the copy"
        )
    elif seen["damaged"] and (kind := _unsaid(result, warned)):
        result.findings[f"damage-{kind}"] = f"{seen['damaged']} errors or corrupt pictures"
    elif result.code == DEGRADED and not seen["damaged"] and seen["copy_frames"] >= due:
        result.notes["damage that nobody else sees"] = _last_line(said)


def _unsaid(result: Result, warned: bool) -> str:
    if result.code == DEGRADED and warned:
        return ""
    return "code" if warned else "silently"


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1][:200] if lines else ""
