"""The numbers are those of the kernel's headers."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from streamer.service.work.system_calls import LIMITED, REFUSED

HEADERS = {
    "x86_64": [
        Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        *([Path("/usr/include/asm/unistd_64.h")] if platform.machine() == "x86_64" else []),
    ],
    "aarch64": [Path("/usr/include/asm-generic/unistd.h")],
}


@pytest.mark.parametrize(("column", "machine"), [(0, "x86_64"), (1, "aarch64")])
def test_the_numbers(column: int, machine: str) -> None:
    header = next((path for path in HEADERS[machine] if path.exists()), None)
    if header is None:
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    known = {name: int(number) for name, number in found}
    newest = max(number for name, number in known.items() if name not in ("syscalls", "arch_specific_syscall"))
    for name, numbers in (REFUSED | LIMITED).items():
        number = numbers[column]
        if number is None or number <= newest:
            assert number == known.get(name), name


def test_no_number_twice() -> None:
    for column in (0, 1):
        numbers = [both[column] for both in (REFUSED | LIMITED).values() if both[column] is not None]
        assert len(numbers) == len(set(numbers))
    assert all(both[0] == both[1] for both in REFUSED.values() if max(both[0] or 0, both[1] or 0) >= 424)
