"""A raw frame cannot pass for a masked one: neither at run time nor before."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import pytest

from core.config import MaskConfig
from core.frame import BLANKET, Cover, Frame, Verdict
from core.masked_frame import MaskedFrame, MaskerSeal
from core.paint.masker import Masker

ROOT = Path(__file__).parents[2]

PREAMBLE = """
    from core.config import MaskConfig
    from core.frame import BLANKET, Frame
    from core.masked_frame import MaskedFrame
    from core.paint.masker import Masker

    def publish(picture: MaskedFrame) -> None: ...

"""
CASES = {
    "masked": ("def f(frame: Frame) -> None: publish(Masker(MaskConfig()).mask(frame, BLANKET))", None),
    "raw instead of masked": ("def f(frame: Frame) -> None: publish(frame)", 'expected "MaskedFrame"'),
    "picture instead of masked": ("def f(frame: Frame) -> None: publish(frame.video)", 'expected "MaskedFrame"'),
    "made without a seal": (
        "def f(frame: Frame) -> MaskedFrame: return MaskedFrame(frame, BLANKET)",
        "Missing positional",
    ),
    "made with nothing for a seal": (
        "def f(frame: Frame) -> MaskedFrame: return MaskedFrame(frame, BLANKET, None)",
        'expected "MaskerSeal"',
    ),
    "a subclass of masked frames": ("class Loose(MaskedFrame): ...", "Cannot inherit from final class"),
}


@pytest.mark.slow
def test_only_what_the_masker_made_type_checks(tmp_path: Path) -> None:
    # One run for all cases: starting mypy is what takes time.
    for number, (code, _) in enumerate(CASES.values()):
        (tmp_path / f"case{number}.py").write_text(textwrap.dedent(PREAMBLE) + code + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}/cache"]
    command += ["--follow-imports=silent", *(f"case{number}.py" for number in range(len(CASES)))]
    run = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=170, check=False
    )
    assert run.returncode == 1, run.stdout + run.stderr
    for number, (name, (_, message)) in enumerate(CASES.items()):
        errors = [line for line in run.stdout.splitlines() if line.startswith(f"case{number}.py:") and "error:" in line]
        if message is None:
            assert not errors, name
        else:
            assert len(errors) == 1, (name, run.stdout)
            assert message in errors[0], name


def test_a_forged_seal_raises() -> None:
    frame = Frame(0, av.VideoFrame(16, 16, "gray"), 0.0)
    for seal in (MaskerSeal(), None, object()):
        with pytest.raises(TypeError, match="only the masker"):
            MaskedFrame(frame, BLANKET, seal)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        MaskedFrame(frame, BLANKET)  # type: ignore[call-arg]


def test_what_the_masker_returns_says_how_it_was_covered() -> None:
    frame = Frame(7, av.VideoFrame(16, 16, "gray"), 1.5)
    masked = Masker(MaskConfig()).mask(frame, Verdict(Cover.HELD, (), 0.2))
    assert isinstance(masked, MaskedFrame)
    assert (masked.index, masked.time, masked.cover, masked.mask_age) == (7, 1.5, Cover.HELD, 0.2)


def test_only_the_masker_takes_the_seal() -> None:
    takers = set()
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "streamer").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.ImportFrom) and any(alias.name in ("SEAL", "*") for alias in node.names)
            if named or (isinstance(node, ast.Attribute) and node.attr == "SEAL"):
                takers.add(path.relative_to(ROOT).as_posix())
    assert takers == {"core/paint/masker.py"}
