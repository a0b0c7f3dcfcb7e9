"""Blobs in S3: large files in parts, the bucket's own clock, and trouble that must not look like a missing file."""

from __future__ import annotations

import errno
import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from streamer.errors import ConfigError
from streamer.service.store import blobs as room
from streamer.service.store import bucket
from streamer.service.store.blobs import Blobs, new_id
from streamer.settings.overlay import secret_variable
from tests.rigs.cluster.s3_server import BUCKET, SECRET, S3Server


def test_a_large_file_goes_in_parts_and_comes_back(s3: S3Server, tmp_path: Path) -> None:
    blobs = Blobs.at(s3.new_place(), s3.environment)
    content = os.urandom((12 << 20) + 5)
    (tmp_path / "large").write_bytes(content)
    with patch.object(room, "_PART", 5 << 20):  # the least that S3 takes
        names = [blobs.put(tmp_path / "large"), blobs.put(content)]
    for name in names:
        blobs.fetch([name], tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    assert b"".join(blobs.read(names[0], (8 << 20) - 3, (8 << 20) + 3)) == content[(8 << 20) - 3 : (8 << 20) + 3]


def test_nothing_is_seen_of_a_file_before_it_is_whole(own_s3: S3Server, tmp_path: Path) -> None:
    with patch.object(bucket, "_TRIES", 1):
        blobs = Blobs.at(own_s3.new_place(), own_s3.environment)
    (tmp_path / "large").write_bytes(os.urandom(60 << 20))
    failed: list[OSError] = []

    def put() -> None:
        try:
            blobs.put(tmp_path / "large")
        except OSError as error:
            failed.append(error)

    with patch.object(room, "_PART", 5 << 20), patch.object(room, "_SENDERS", 1):
        thread = threading.Thread(target=put)
        thread.start()
        own_s3.kill()
        thread.join(60)
    own_s3.start()
    assert [error.strerror for error in failed] == ["the storage does not answer"] and list(blobs.names()) == []


def test_what_is_old_is_judged_by_the_bucket_s_clock(s3: S3Server) -> None:
    blobs = Blobs.at(s3.new_place(), s3.environment)
    name, true = blobs.put(b"x"), time.time()
    with patch("time.time", lambda: true + 7200):
        assert list(blobs.names(blobs.now() - 3600)) == []
        assert list(blobs.names(blobs.now() + 2)) == [name], "its times are whole seconds"


@pytest.mark.parametrize(
    ("place", "said", "why"),
    [
        ("s3://missing/x", {}, "the storage has no such bucket"),
        (f"s3://{BUCKET}/x", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "the storage refuses access"),
        (f"s3://{BUCKET}/x", {"AWS_ACCESS_KEY_ID": "wrong"}, "the storage refuses access"),
    ],
)
def test_no_trouble_of_the_storage_looks_like_a_missing_file(
    s3: S3Server, place: str, said: dict[str, str], why: str
) -> None:
    """A job whose original is missing fails for good."""
    if s3.program is None and said:
        pytest.skip("moto lets everybody in")
    blobs = Blobs.at(place, {**s3.environment, **said})
    for step in (
        lambda: blobs.put(b"x"),
        lambda: blobs.size(new_id()),
        lambda: list(blobs.read(new_id())),
        lambda: list(blobs.read(new_id(), 0, 5)),
        lambda: list(blobs.names()),
        blobs.now,
        lambda: blobs.belong_to("me"),
    ):
        with pytest.raises(OSError, match=why) as caught:
            step()
        assert not isinstance(caught.value, FileNotFoundError)
        assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_a_storage_that_is_stopped_or_away_hangs_nobody(own_s3: S3Server) -> None:
    if own_s3.program is None:
        pytest.skip("moto forgets everything when it ends")
    with patch.object(bucket, "_REQUEST", timedelta(seconds=1)), patch.object(bucket, "_TRYING", timedelta(seconds=1)):
        blobs = Blobs.at(own_s3.new_place(), own_s3.environment)
    name = blobs.put(b"x")
    with own_s3.paused():
        begun = time.monotonic()
        for step in (lambda: blobs.put(b"y"), lambda: blobs.size(name)):
            with pytest.raises(OSError, match="does not answer") as caught:
                step()
            assert caught.value.errno == errno.EIO
        assert time.monotonic() - begun < 20
    own_s3.kill()
    with pytest.raises(OSError, match="does not answer"):
        blobs.size(name)
    own_s3.start()
    assert b"".join(blobs.read(name)) == b"x"


def test_keys_may_be_files(s3: S3Server, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{SECRET}\n")
    said = {name: value for name, value in s3.environment.items() if name != "AWS_SECRET_ACCESS_KEY"}
    blobs = Blobs.at(s3.new_place(), {**said, "AWS_SECRET_ACCESS_KEY_FILE": str(key)})
    assert blobs.size(blobs.put(b"abc")) == 3
    assert secret_variable("X", {}) is None
    for place, why in ((tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=why):
            secret_variable("X", {"X_FILE": str(place)})
    key.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        secret_variable("X", {"X_FILE": str(key)})


@pytest.mark.parametrize("url", ["s3://", "s3:///x", f"s3://user:{SECRET}@bucket/x", "s3://bucket/x?region=y"])
def test_what_is_no_place_in_a_bucket_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="write s3://BUCKET/PREFIX") as caught:
        Blobs.at(url, {})
    assert SECRET not in str(caught.value)
