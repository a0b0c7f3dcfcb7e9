"""YAML with the lines that its values are on."""

from __future__ import annotations

import pytest

from streamer.settings.yaml_text import YamlError, read_yaml

TEXT = """\
# a comment
mask: &look
  style: blur

  cells: 2
zones:
  - points: [[0, 0],
             [1, 0]]
  - points: []
"two words": {a: 1,
  b: 2}
live:
  streams:
    - name: door
      mask: {<<: *look, cells: 3}
mask2: *look
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        ((), None),
        (("mask",), 2),
        (("mask", "cells"), 5),
        (("mask", "gone"), 2),
        (("gone",), None),
        (("zones", 0), 7),
        (("zones", 0, "points", 1), 8),
        (("zones", 0, "points", 1, 0), 8),
        (("zones", 1, "points"), 9),
        (("zones", 1, "points", 0), 9),
        (("zones", 7), 6),
        (("two words", "b"), 11),
        (("live", "streams", 0, "mask", "cells"), 15),
        (("live", "streams", 0, "mask", "style"), 3),
        (("mask2", "cells"), 5),
    ],
)
def test_lines(loc: tuple[str | int, ...], line: int | None) -> None:
    assert read_yaml(TEXT).line_of(loc) == line


def test_a_key_that_is_no_text_is_found() -> None:
    assert read_yaml("a: 1\n2: 3\n").line_of((2,)) == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_nothing_is_an_empty_section(text: str) -> None:
    assert read_yaml(text).data == {} and read_yaml(text).line_of(("a",)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "line 1"),
        ("a: 1\n b: 2", "line 2, column 3"),
        ("a: !!python/object/apply:os.getcwd []", "line 1"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("? [a]\n: 1", "unhashable key"),
        ("a: \x00", "unreadable characters"),
        ("a: 2020-99-99", "impossible date"),
        ("[" * 100_000, "nested too deeply"),
        ("source: rtsp://u:topsecret@cam: [", "line 1"),
        ("password: *topsecret", "found undefined alias in line 1"),
        ("a: &topsecret 1\nb: &topsecret 2\nc: *topsecret2", "second occurrence in line 2"),
        ("password: !topsecret", "could not determine a constructor for the tag in line 1"),
        ("password: !topsecret!x 1", "found undefined tag handle in line 1"),
        ("%topsecret\n%YAML 9.topsecret\n--- {}", "line 2"),
    ],
)
def test_what_is_not_yaml_is_one_line(text: str, words: str) -> None:
    with pytest.raises(YamlError) as error:
        read_yaml(text)
    assert words in str(error.value) and "\n" not in str(error.value) and "topsecret" not in str(error.value)


def test_a_list_that_contains_itself_is_read() -> None:
    document = read_yaml("a: &a [*a]")
    assert document.line_of(("a", 0, 0, 0)) == 1


def test_a_key_that_is_given_twice_is_refused() -> None:
    with pytest.raises(YamlError, match="lines 1 and 3 have the same key"):
        read_yaml("zones: []\nmask: {}\nzones: [1]\n")
    with pytest.raises(YamlError, match="lines 3 and 4 have the same key"):
        read_yaml("live:\n  streams:\n    - name: a\n      name: b\n")
    merged = "a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\nc:\n  <<: [*a, *a]\n"
    assert read_yaml(merged).data == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1}}
    assert read_yaml("a: &a [*a]\n").root is not None
