"""The key that signs checkpoints, and its public half as signed notes have it (C2SP signed-note): NAME+ID+KEY."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from streamer.atomic_file import write_atomically
from streamer.errors import ConfigError
from streamer.service.store.database import Database
from streamer.service.store.tables import FactRow

_ED25519: Final = b"\x01"  # the kind of signature, as signed notes number it
_SEED: Final = 32  # bytes
_FACT: Final = "audit_key"


class KeyTextError(ValueError):
    """A text is not a public key of an audit log; one line says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Checks signatures. `name` is also the log's origin: no two logs share one."""

    name: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """From what `str` gives. Raises KeyTextError."""
        match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", text.strip())
        try:
            decoded = base64.b64decode(match[3], validate=True) if match else b""
        except binascii.Error:
            decoded = b""
        if match is None or len(decoded) != 33 or decoded[:1] != _ED25519:
            raise KeyTextError("not a key as `veilcast audit key` prints it: NAME+ID+KEY")
        key = cls(match[1], decoded[1:])
        if key.id.hex() != match[2]:
            raise KeyTextError("its name and its key do not belong together: is it complete?")
        return key

    @property
    def id(self) -> bytes:
        """Four bytes that stand before each signature."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def signed(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's for this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"


class AuditKey:
    """Signs for one log."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._private.public_key().public_bytes_raw()
        self.public = PublicKey(f"veilcast/audit/{hashlib.sha256(raw).hexdigest()[:16]}", raw)

    @classmethod
    def in_file(cls, path: Path, create: bool = True) -> AuditKey:
        """The key in this file; a new one is made if there is none and `create`. Raises ConfigError."""
        try:
            if create and not path.exists():
                seed = Ed25519PrivateKey.generate().private_bytes_raw()
                with contextlib.suppress(FileExistsError):  # another process was faster, and its key counts
                    write_atomically(path, seed, overwrite=False, mode=0o600)
            seed = path.read_bytes()
        except OSError as error:
            raise ConfigError(path, f"the audit log's key cannot be used ({error.strerror or error})") from error
        if len(seed) != _SEED:
            raise ConfigError(path, f"is not the audit log's key: it has {len(seed)} bytes, not {_SEED}")
        return cls(seed)

    @classmethod
    def of(cls, database: Database, path: Path | None, create: bool = True) -> AuditKey:
        """The key in this file, or if that is None in the database, where all who share it find the same one.

        A new one is made if there is none and `create`. Raises ConfigError, BusyError.
        """
        if path is not None:
            return cls.in_file(path, create)
        with database.reading() as session:
            kept = session.get(FactRow, _FACT)
        if kept is None and not create:
            raise ConfigError(Path("audit log"), "it has no key yet: no server that signs checkpoints has been started")
        if kept is None:
            with database.writing() as session:
                kept = session.get(FactRow, _FACT)  # another process may have been faster, and its key counts
                if kept is None:
                    kept = FactRow(name=_FACT, value=Ed25519PrivateKey.generate().private_bytes_raw())
                    session.add(kept)
        return cls(kept.value)

    def sign(self, text: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(text)
