"""A service that does no jobs, with small pieces, and what it keeps of uploads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import httpx
from sqlalchemy import func, select

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import PartRow, UploadRow
from tests.rigs.service.raw_http import soon
from tests.rigs.service.running import running_service

PIECE: Final = 1000
"""Bytes that are stored at a time here."""
IN_MEMORY: Final = 700 * PIECE
"""Bytes of unfinished pieces that one owner may have in memory here."""
MOST: Final = 1 << 20
"""Bytes that an upload may have here."""
TUS: Final = {"Tus-Resumable": "1.0.0"}
STREAM: Final = {"Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True)
class Receiving:
    """The running service: a client of it, and a look at its data."""

    client: httpx.Client
    database: Database
    blobs: Blobs

    def begun(self, length: int | None) -> str:
        """The path of a new upload by tus."""
        length_of = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        answer = self.client.post("/v1/uploads", headers={**TUS, **length_of})
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def patch(self, path: str, offset: int, content: bytes, **more: str) -> httpx.Response:
        """A piece of an upload; `more`: further headers, `_` for `-`."""
        extra = {name.replace("_", "-"): value for name, value in more.items()}
        return self.client.patch(
            path, content=content, headers={**TUS, **STREAM, "Upload-Offset": str(offset), **extra}
        )

    def offset(self, path: str) -> int:
        """How far an upload is."""
        return int(self.client.head(path, headers=TUS).headers["upload-offset"])

    def sha256(self, path: str) -> object:
        """Its hash, None until it is complete."""
        return self.client.get(path).raise_for_status().json()["sha256"]

    def kept(self) -> tuple[int, int, int]:
        """How many uploads, pieces and blobs there are."""
        with self.database.reading() as session:
            uploads, parts = (
                session.scalar(select(func.count()).select_from(row)) or 0 for row in (UploadRow, PartRow)
            )
        return uploads, parts, len(list(self.blobs.names()))

    def at_rest(self) -> tuple[int, int, int]:
        """The same, once no plain upload is under way any more."""
        unfinished = select(func.count()).select_from(UploadRow).where(UploadRow.sha256.is_(None))

        def rests() -> bool:
            with self.database.reading() as session:
                under_way = session.scalar(unfinished)
            _, parts, blobs = self.kept()
            return not under_way and parts == blobs

        assert soon(rests)
        return self.kept()


@contextmanager
def receiving(folder: Path, token: str | None = None, **service: object) -> Iterator[Receiving]:
    """The service while the block runs."""
    with (
        patch("streamer.service.api.uploads.PIECE", PIECE),
        patch("streamer.service.api.uploads.IN_MEMORY", 4 * IN_MEMORY),
        running_service(folder, token, workers=0, upload_mb=1, **service) as client,
    ):
        database = Database.in_file(folder / "veilcast.db")
        yield Receiving(client, database, Blobs.in_folder(folder / "blobs"))
        database.close()
