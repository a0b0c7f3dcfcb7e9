from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from playwright.sync_api import expect

from streamer.live.status import StreamState
from streamer.live.web.site import LiveSite
from streamer.settings.web import WebConfig
from tests.rigs.live.producing import Producer
from tests.rigs.service.fake_api import FakeApi, fake_site
from tests.streamer.service.page.conftest import Visit
from tests.streamer.service.page.looking import soon

SHOWN = "() => document.querySelector('.camera video').getVideoPlaybackQuality().totalVideoFrames"


@pytest.fixture
def cameras() -> Iterator[LiveSite]:
    with Producer(width=640, height=360) as producer:
        yield LiveSite({"door": producer.output}, WebConfig())


@pytest.fixture
def site(api: FakeApi, cameras: LiveSite) -> Iterator[str]:
    cameras.open_ports_on(("127.0.0.1",))
    with fake_site(api, cameras) as address:
        yield address


def test_a_camera_is_watched_until_it_is_not(visit: Visit, api: FakeApi, cameras: LiveSite) -> None:
    api.cameras = ("door",)
    page = visit("/#cameras")
    assert cameras.viewers("door") == 0
    page.click(".camera button")
    soon(page, lambda: page.evaluate(SHOWN) > 10)
    expect(page.locator(".camera .link")).to_have_text("")
    assert cameras.viewers("door") == 1
    page.click(".camera button")
    soon(page, lambda: cameras.viewers("door") == 0)
    page.click(".camera button")
    soon(page, lambda: cameras.viewers("door") == 1)
    page.click("text=Queue")
    soon(page, lambda: cameras.viewers("door") == 0)


def test_every_state_has_its_word_and_says_what_it_means(visit: Visit, api: FakeApi) -> None:
    api.cameras = ("door",)
    page = visit("/#cameras")
    seen = set()
    for state in get_args(StreamState):
        api.camera_state = state
        expect(page.locator(f".camera[data-state={state}] .badge")).not_to_be_empty()
        seen.add(page.inner_text(".camera [data-part=state]"))
    assert len(seen) == len(get_args(StreamState))


def test_a_camera_that_is_gone_is_said_to_be(visit: Visit, api: FakeApi) -> None:
    api.cameras = ("gate",)
    page = visit("/#cameras")
    page.click(".camera button")
    expect(page.locator(".camera .link")).to_contain_text("It is no longer there.")
    expect(page.locator(".camera button")).to_have_text("Watch")
