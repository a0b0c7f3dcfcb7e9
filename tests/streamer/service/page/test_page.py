from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from streamer.service.page.page import PAGE_HEADERS, not_found_page, page_routes

SITE = Path(str(resources.files("streamer.service.page") / "site"))
MOST_LINES = 300


def client() -> TestClient:
    app = FastAPI()
    app.include_router(page_routes())
    return TestClient(app)


def test_every_file_is_served_with_its_type_and_never_stored() -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    asked = client()
    for file in SITE.iterdir():
        if file.suffix in types:
            answer = asked.get(f"/page/{file.name}")
            assert answer.content == file.read_bytes()
            assert answer.headers["content-type"].split(";")[0] == types[file.suffix]
            assert answer.headers.items() >= {name.lower(): value for name, value in PAGE_HEADERS.items()}.items()
    start = asked.get("/")
    assert start.text.startswith("<!doctype html>") and start.headers["cache-control"] == "no-store"
    assert asked.head("/").status_code == 200


def test_other_names_are_answered_with_the_page_for_that() -> None:
    asked = client()
    for name in ("index.html", "page.py", "..%2fpage.py", "nothing.js"):
        answer = asked.get(f"/page/{name}")
        assert answer.status_code == 404
        assert b"page.py" not in answer.content
    assert asked.get("/page/nothing.js").content == not_found_page()


def test_everything_that_is_named_is_there_and_nothing_comes_from_elsewhere() -> None:
    used = {"index.html", "not_found.html"}
    for file in SITE.iterdir():
        text = file.read_text("utf-8")
        assert not re.search(r"(src|href|from|import|url\()\s*=?\s*[\"'(]?(https?:)?//", text), file
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|<script>|<style|\beval\(|innerHTML|insertAdjacentHTML", text), (
            file
        )
        used |= set(re.findall(r"/page/([\w.]+)", text)) | set(re.findall(r"from \"\./([\w.]+)\"", text))
    assert used == {file.name for file in SITE.iterdir()}


def test_scripts_are_short() -> None:
    for file in SITE.glob("*.js"):
        assert len(file.read_text("utf-8").splitlines()) <= MOST_LINES, file


def keys(name: str) -> dict[str, set[str]]:
    """Keys of a table of texts, and the values that each takes."""
    table = (SITE / name).read_text("utf-8")
    return {
        key: set(re.findall(r"\{(\w+(?:\|\w+)?)\}", text))
        for key, text in re.findall(r"^  \"?([\w.-]+)\"?:\s*(.+)$", table, re.MULTILINE)
    }


def test_both_languages_have_the_same_texts() -> None:
    english, chinese = keys("texts_en.js"), keys("texts_zh.js")
    assert len(english) > 100
    assert english == chinese


def test_every_text_that_is_asked_for_is_there() -> None:
    texts = keys("texts_en.js").keys()
    sources = {file.name: file.read_text("utf-8") for file in SITE.iterdir() if not file.name.startswith("texts")}
    everything = "\n".join(sources.values())
    asked = set(re.findall(r"data-(?:text|label)=\"([\w.-]+)\"", everything))
    asked |= set(re.findall(r"\b(?:announce|text|isWanted|state)\(\"([\w.-]+)\"", everything))
    asked |= set(re.findall(r"\b(?:say|label)\((?:\$?\w*\([^()]*\)|\w+), \"([\w.-]+)\"", everything))
    assert len(asked) > 60
    assert asked - texts == set()
