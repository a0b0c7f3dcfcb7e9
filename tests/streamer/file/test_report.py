"""The report: a published schema, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from streamer.errors import OutputError
from streamer.file.report import Coverage, FileDigest, Report, WeightsUsed, digest, schema, versions, write

HASH = "0123456789abcdef" * 4


def example() -> Report:
    file = FileDigest(path="in.mp4", bytes=5, sha256=HASH)
    return Report(
        veilcast="0.1.0",
        versions=versions(),
        input=file,
        output=file,
        config_sha256=HASH,
        weights=WeightsUsed(name="net", sha256=HASH, license="MIT"),
        frames=10,
        faces=1,
        samples=4,
        failed_samples=0,
        seconds=Coverage(settled=0.4, held=0, blanket=0),
        damaged=0,
        audio="keep",
        stripped=["location"],
        warnings=[],
        elapsed=1.5,
    )


def test_the_schema_is_one_and_fits_a_report() -> None:
    published = json.loads(schema())
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(json.loads(example().model_dump_json(by_alias=True)), published)
    assert "schema" in published["properties"] and published["additionalProperties"] is False


@pytest.mark.parametrize(
    ("key", "value"),
    [("frames", -1), ("frames", "ten"), ("audio", "loud"), ("config_sha256", "abc"), ("extra", 1), ("schema", "other")],
)
def test_the_schema_refuses_what_no_report_says(key: str, value: object) -> None:
    said = {**json.loads(example().model_dump_json(by_alias=True)), key: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(said, json.loads(schema()))
    with pytest.raises(ValidationError):
        Report.model_validate(said)


def test_digest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    assert digest(path) == FileDigest(path=str(path), bytes=100_000, sha256=hashlib.sha256(b"x" * 100_000).hexdigest())


def test_it_is_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("an older one", "utf-8")
    write(example(), path)
    assert Report.model_validate_json(path.read_text("utf-8")) == example()
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the report cannot be written"):
        write(example(), tmp_path / "no" / "report.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="the report cannot be written"):
        write(example(), tmp_path / "taken")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"], "nothing half-written stays"
