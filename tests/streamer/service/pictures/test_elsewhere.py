"""Pictures that are handed over: taken once, answered once, and nothing of them stays."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from streamer.service.jobs.orphans import remove_orphans
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.pictures.pool import MaskedAnswer, PictureRefusedError
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import AskedPictureRow

MASKED = MaskedAnswer(b"masked", "image/png", 2, "5" * 64)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs.in_folder(tmp_path_factory.mktemp("blobs"))


@pytest.fixture
def asked(database: Database, store: Blobs) -> AskedPictures:
    return AskedPictures(database, store)


def nothing_left(database: Database, blobs: Blobs) -> bool:
    with database.reading() as session:
        rows = session.scalar(select(func.count()).select_from(AskedPictureRow))
    return rows == 0 and list(blobs.names()) == []


def test_one_takes_it_and_its_answer_counts(asked: AskedPictures, database: Database, store: Blobs) -> None:
    name = asked.ask(b"a face", "{}", 60)
    assert asked.answer(name) is None and not asked.taken(name)
    taken = asked.take(name)
    assert taken is not None and asked.take(name) is None and asked.taken(name)
    assert asked.original(taken) == b"a face" and remove_orphans(database, store) == 0
    assert asked.masked(taken, MASKED) and asked.answer(name) == MASKED and remove_orphans(database, store) == 0
    asked.forget(name)
    asked.forget(name)
    assert nothing_left(database, store)
    with pytest.raises(FileNotFoundError):
        asked.answer(name)


def test_what_cannot_be_masked_says_why(asked: AskedPictures, database: Database, store: Blobs) -> None:
    name = asked.ask(b"no picture", "{}", 60)
    taken = asked.take(name)
    assert taken is not None
    asked.put_back(taken)
    again = asked.take(name)
    assert again is not None and not asked.masked(taken, MASKED), "it has not been its worker's since"
    asked.refused(again, PictureRefusedError("the picture is none", unsupported=True))
    with pytest.raises(PictureRefusedError, match="the picture is none") as caught:
        asked.answer(name)
    assert caught.value.unsupported
    asked.forget(name)
    assert nothing_left(database, store)


def test_whoever_answers_when_nobody_waits_leaves_nothing(
    asked: AskedPictures, database: Database, store: Blobs
) -> None:
    names = [asked.ask(b"a face", "{}", seconds) for seconds in (60, -1)]
    taken = asked.take(names[0])
    assert taken is not None and asked.take(names[1]) is None, "nobody waits for that one"
    asked.forget(names[0])
    assert not asked.masked(taken, MASKED)
    asked.refused(taken, PictureRefusedError("late"))
    assert asked.sweep() == 1 and asked.sweep() == 0
    assert nothing_left(database, store)
