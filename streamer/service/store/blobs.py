"""Files of uploads and jobs ("blobs") by random names. A blob is written once, whole, and never changed.

They are in a folder or in a bucket of S3; nothing is seen of one before it is whole.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from streamer.service.store.bucket import SCHEME, bucket_error, open_bucket

if TYPE_CHECKING:
    from obstore import ObjectMeta

_log = logging.getLogger("veilcast.store")

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_CHUNK: Final = 1 << 20  # bytes read at a time
_BUCKET_CHUNK: Final = 8 << 20  # the same from a bucket, where each request costs time
_PART: Final = 16 << 20  # bytes of a file that are sent to a bucket at a time
_PARTS: Final = 9000  # S3 allows 10,000
_SENDERS: Final = 2  # parts that are sent, and held in memory, at a time
_AT_ONCE: Final = 1000  # files that a bucket deletes in one request
_CLOCK: Final = "clock"
_OWNER: Final = "owner"
_NUMBER: Final = re.compile(r"\(os error (\d+)\)")


def new_id() -> str:
    """128 random bits in hexadecimal digits, for blobs, jobs, uploads and leases. Nobody can guess one."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether it could be one: whatever else clients send must not reach a database, which may refuse zero bytes."""
    return _NAME.fullmatch(text) is not None


class Blobs:
    """Blobs in one store: a folder, or a bucket. Thread-safe. A blob that is missing raises FileNotFoundError."""

    def __init__(self, store: ObjectStore, folder: Path | None = None, probe: ObjectStore | None = None) -> None:
        """`folder`: where the store keeps its files, if it is a folder. They are then on disk when `put` returns.

        `probe`: the same store, for whoever only wants to know whether it answers.
        """
        self._store, self._folder, self._probe = store, folder, probe or store

    @classmethod
    def in_folder(cls, folder: Path) -> Blobs:
        """Blobs in a folder, which is created if need be; nobody else may enter it. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        return cls(LocalStore(prefix=folder), folder)

    @classmethod
    def at(cls, url: str, environment: Mapping[str, str] | None = None) -> Blobs:
        """Blobs in `s3://BUCKET/PREFIX`, with keys and endpoint from the environment (AWS_ENDPOINT_URL,
        AWS_ACCESS_KEY_ID, ...), or else in a folder. Asks nothing of a bucket yet. Raises OSError, ConfigError.
        """
        if url.startswith(SCHEME):
            given = os.environ if environment is None else environment
            return cls(open_bucket(url, given), probe=open_bucket(url, given, hurried=True))
        return cls.in_folder(Path(url))

    @property
    def in_bucket(self) -> bool:
        """Whether they are on another machine, which may not answer."""
        return self._folder is None

    def belong_to(self, owner: str) -> str:
        """Note whose blobs these are, unless it is noted already; returns who that is. Raises OSError.

        Two databases with the same blobs would delete each other's as orphans.
        """
        with self._errors(), self._noted(_OWNER):
            try:
                return bytes(self._store.get(_OWNER).bytes()).decode("ascii", "replace")
            except FileNotFoundError as error:
                if self._folder is None and bucket_error(error).errno != errno.ENOENT:
                    raise
                self._store.put(_OWNER, owner.encode(), use_multipart=False)
        return owner

    def answers(self) -> bool:
        """Whether whatever keeps the files answers; takes 3 s at most."""
        try:
            self._probe.list_with_delimiter(prefix=_CLOCK)
        except (BaseError, OSError):
            return False
        return True

    def now(self) -> float:
        """Seconds since 1970 by the clock of whatever keeps the files, which `names` goes by. Raises OSError."""
        with self._errors(), self._noted(_CLOCK):
            self._store.put(_CLOCK, b"now", use_multipart=False)
            return self._store.head(_CLOCK)["last_modified"].timestamp()

    def put(self, content: bytes | Path) -> str:
        """Store bytes or a file, and return the new blob's name. Nothing is left behind if it fails. Raises OSError."""
        name = new_id()
        with self._errors():
            if self._folder is not None:
                self._store.put(_key(name), content)
            elif isinstance(content, bytes) and len(content) <= _PART:
                self._store.put(_key(name), content, use_multipart=False)
            else:
                size = len(content) if isinstance(content, bytes) else content.stat().st_size
                part = max(_PART, size // _PARTS)
                self._store.put(_key(name), content, chunk_size=part, max_concurrency=_SENDERS)
        if self._folder is not None:
            try:
                _secure(self._folder / _key(name))
            except OSError:
                self.delete(name)
                raise
        return name

    def size(self, name: str) -> int:
        """Its length in bytes. Raises OSError."""
        with self._errors():
            try:
                return int(self._store.head(_key(name))["size"])
            except FileNotFoundError:
                if self._folder is None:  # only an answer with a body tells a file that is missing from other trouble
                    self._store.get(_key(name))
                raise

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Its bytes from `start` up to `end`, piece by piece. Raises OSError, also between pieces."""
        last = self.size(name) if end is None else end
        chunk = _BUCKET_CHUNK if self._folder is None else _CHUNK
        for begin in range(start, last, chunk):
            with self._errors():
                piece = bytes(self._store.get_range(_key(name), start=begin, end=min(last, begin + chunk)))
            yield piece

    def fetch(self, names: Sequence[str], target: Path) -> None:
        """Write blobs, one after the other, to a new file of mode 0600. Raises OSError."""
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for name in names:
                for piece in self.read(name):
                    file.write(piece)

    def delete(self, *names: str | None) -> None:
        """Remove blobs; None and those that are gone already do no harm. Raises OSError."""
        keys = [_key(name) for name in names if name is not None]
        if self._folder is None:
            for first in range(0, len(keys), _AT_ONCE):
                with suppress(FileNotFoundError), self._errors():
                    self._store.delete(keys[first : first + _AT_ONCE])
            return
        for key in keys:
            with suppress(FileNotFoundError), self._errors():
                self._store.delete(key)

    def discard(self, *names: str | None) -> None:
        """The same after the transaction that let go of them counts: what cannot be deleted now is an orphan.

        Does not raise: nothing that has been done may look as if it had failed.
        """
        step = _AT_ONCE if self._folder is None else 1
        for first in range(0, len(names), step):
            try:
                self.delete(*names[first : first + step])
            except OSError as error:
                _log.warning("a file could not be deleted yet: %s", error.strerror or type(error).__name__)
                if self._folder is None:  # it does not answer, and so it will be with the rest
                    return

    def names(self, before: float = math.inf) -> Iterator[str]:
        """All blobs there are, or only those that were stored `before` a time, as `now` tells it. Raises OSError."""
        for batch in self._batches():
            for found in batch:
                name = found["path"].rpartition("/")[2]
                if _NAME.fullmatch(name) and found["last_modified"].timestamp() < before:
                    yield name

    def remove_unfinished(self) -> int:
        """Delete what is left of blobs whose writing was broken off; returns how many. Nothing may be writing now.

        The store does not list them. Raises OSError.
        """
        if self._folder is None:  # a bucket shows nothing before it is whole
            return 0
        ours = (_CLOCK, _OWNER)
        files = [path for path in self._folder.rglob("*") if path.is_file() and path.name not in ours]
        left = [path for path in files if not _NAME.fullmatch(path.name)]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The store has errors of its own kind."""
        try:
            yield
        except (BaseError, FileNotFoundError) as error:  # what is not found has a name of Python's, but no number
            raise (bucket_error(error) if self._folder is None else _folder_error(error)) from error

    @contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        """Around what may write a note, which is for its owner alone."""
        yield
        if self._folder is not None:
            (self._folder / name).chmod(0o600)

    def _batches(self) -> Iterator[Sequence[ObjectMeta]]:
        batches = iter(self._store.list())
        while True:
            with self._errors():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _folder_error(error: Exception) -> OSError:
    """The number that the system gave stands in the text of the store's own errors."""
    found = _NUMBER.search(str(error))
    other = errno.ENOENT if isinstance(error, FileNotFoundError) else errno.EIO
    number = other if found is None else int(found[1])
    return OSError(number, os.strerror(number))


def _key(name: str) -> str:
    if not is_id(name):
        raise ValueError("not the name of a blob")
    return f"{name[:2]}/{name}"


def _secure(path: Path) -> None:
    """For its owner alone, and on disk, name included."""
    path.chmod(0o600)
    path.parent.chmod(0o700)
    # The folder of the file may be new itself, so its own name must be on disk, too.
    for each, flags in ((path, 0), (path.parent, os.O_DIRECTORY), (path.parent.parent, os.O_DIRECTORY)):
        descriptor = os.open(each, os.O_RDONLY | flags | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
