"""The page of the API works with this server's files alone, under a policy that forbids all scripts but those."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Query
from playwright.sync_api import Request, sync_playwright

from streamer.service.api.docs import docs_routes
from streamer.service.http.problems import PROBLEMS, errors_are_problems
from tests.rigs.uvicorn_server import uvicorn_serving

CHROMIUM = Path("/usr/bin/chromium")


def app() -> FastAPI:
    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, responses=PROBLEMS)
    errors_are_problems(made)
    made.include_router(docs_routes())

    @made.get("/v1/things")
    def things(colour: Annotated[str | None, Query()] = None) -> list[str]:
        """All the things."""
        return [] if colour is None else [colour]

    return made


def test_the_document_says_how_to_say_who_one_is() -> None:
    with uvicorn_serving(app()) as url:
        document = httpx.get(f"{url}/openapi.json").json()
        assert httpx.get(f"{url}/docs/index.html").status_code == 404
    assert list(document["paths"]) == ["/v1/things"]
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}
    assert "application/problem+json" in str(document["paths"]["/v1/things"]["get"]["responses"]["default"])


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Chromium at {CHROMIUM}")
def test_the_page() -> None:
    asked: list[str] = []
    said: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            asked.append(request.url)

    with uvicorn_serving(app()) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", note)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{url}/docs")
        page.get_by_role("button", name="/v1/things").first.click()
        page.get_by_text("All the things.").wait_for()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_placeholder("colour").fill("red")
        page.get_by_role("button", name="Execute").click()
        page.get_by_text('"red"').wait_for()
        browser.close()
        assert asked and all(each.startswith(f"{url}/") for each in asked)
        assert f"{url}/v1/things?colour=red" in asked
        assert said == []
