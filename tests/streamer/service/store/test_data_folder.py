"""The service's folder: private, opened again as it was, and one line if it cannot be."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select

from streamer.errors import ConfigError
from streamer.service.store.data_folder import DataFolder, default_data
from streamer.service.store.tables import AuditRow


def test_all_of_it_is_for_its_owner_alone_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "a" / "data"
    with (made := DataFolder.open(path)).database.writing() as session:
        session.add(AuditRow(number=1, entry="{}", sha256=b""))
    assert made.blobs.put(b"x")
    made.close()
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in (path, *path.iterdir()) if entry.is_dir()}
    assert modes == {"data": 0o700, "blobs": 0o700, "work": 0o700}
    assert stat.S_IMODE((path / "veilcast.db").stat().st_mode) == 0o600
    again = DataFolder.existing(path)
    with again.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditRow)) == 1
    assert len(list(again.blobs.names())) == 1 and made.work.is_dir() and made.audit_key == path / "audit.key"
    again.close()


def refuse_file(path: Path) -> Path:
    path.touch()
    return path / "data"


def foreign(path: Path) -> Path:
    path.mkdir(mode=0o755)
    (path / "thesis.txt").touch()
    return path


def no_database(path: Path) -> Path:
    path.mkdir()
    (path / "veilcast.db").write_text("not a database\n" * 100)
    return path


def newer(path: Path) -> Path:
    DataFolder.open(path).close()
    with sqlite3.connect(path / "veilcast.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (refuse_file, "data cannot be kept there"),
        (foreign, "holds other files but no veilcast.db"),
        (no_database, "not a database"),
        (newer, "a newer version of veilcast has written it"),
    ],
)
def test_what_cannot_be_used_is_one_line(make: object, why: str, tmp_path: Path) -> None:
    assert callable(make)
    path = make(tmp_path / "x")
    with pytest.raises(ConfigError, match=why) as caught:
        DataFolder.open(path)
    assert len(caught.value.lines) == 1 and "\n" not in caught.value.lines[0]
    if make is foreign:
        assert stat.S_IMODE(path.stat().st_mode) == 0o755 and len(list(path.iterdir())) == 1, "left as it was"


def test_a_folder_that_must_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no service has kept its data there"):
        DataFolder.existing(tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []


def test_by_default_it_is_where_the_service_is_started() -> None:
    assert default_data() == Path("veilcast-data")
