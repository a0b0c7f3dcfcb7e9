"""The log's key, and its public half as other programs for signed notes read it."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.service.audit.keys import AuditKey, KeyTextError, PublicKey

# From the documentation of Go's package for signed notes.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_MARK = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_it_reads_and_checks_what_go_signs() -> None:
    key, mark = PublicKey.parse(GO_KEY), base64.b64decode(GO_MARK)
    assert (key.name, key.id, str(key)) == ("PeterNeumann", mark[:4], GO_KEY)
    assert key.signed(GO_TEXT, mark[4:]) and not key.signed(GO_TEXT[:-1], mark[4:])


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    with pytest.raises(ConfigError, match="cannot be used"):
        AuditKey.in_file(path, create=False)
    made, again = AuditKey.in_file(path), AuditKey.in_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_size == 32
    assert made.public == again.public == PublicKey.parse(str(made.public))
    assert again.public.signed(b"x", made.sign(b"x"))
    other = AuditKey.in_file(tmp_path / "other.key")
    assert other.public.name != made.public.name and not other.public.signed(b"x", made.sign(b"x"))


def test_what_is_no_key_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="it has 5 bytes, not 32"):
        AuditKey.in_file(path)
    for text in ("", "a+b+c", GO_KEY[:-1], GO_KEY.replace("Peter", "Pete"), GO_KEY.replace("ARpc", "AhpC")):
        with pytest.raises(KeyTextError):
            PublicKey.parse(text)
