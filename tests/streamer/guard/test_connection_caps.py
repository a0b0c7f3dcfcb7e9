from __future__ import annotations

import pytest

from streamer.guard.connection_caps import Caps, FullError, Slot, client_key, pick_eviction

CAPS = Caps(total=6, per_client=3)


def slots(text: str) -> list[Slot[str]]:
    """`a1 b- c5`: a slot of client a, idle since 1, one of b in use, one of c, idle since 5."""
    return [Slot(word, word[0], None if word[1:] == "-" else float(word[1:])) for word in text.split()]


@pytest.mark.parametrize(
    ("taken", "client", "evicted"),
    [
        ("", "a", None),
        ("a1 a2", "a", None),
        ("a3 a1 a2", "a", "a1"),
        ("a3 a1 a2", "b", None),
        ("a- a- a9", "a", "a9"),
        ("a- a1 a2 b0 b0 c-", "c", "a1"),
        ("a1 b2 c3 d4 e5 f6", "g", "a1"),
        ("a- a- a- b5 c4 d-", "e", "c4"),
        ("a1 a2 b3 b4 c0 c-", "b", "b3"),
    ],
)
def test_who_is_evicted(taken: str, client: str, evicted: str | None) -> None:
    assert pick_eviction(slots(taken), client, CAPS) == evicted


@pytest.mark.parametrize(("taken", "client"), [("a- a- a-", "a"), ("a- a- b- b- c- c-", "d")])
def test_nobody_idle_means_full(taken: str, client: str) -> None:
    with pytest.raises(FullError):
        pick_eviction(slots(taken), client, CAPS)


def test_a_client_that_takes_many_slots_evicts_only_itself() -> None:
    caps = Caps(20, 16)
    taken = slots("g1") + [Slot(f"evil {number}", "e", 100.0 + number) for number in range(16)]
    for number in range(16, 500):
        evicted = pick_eviction(taken, "e", caps)
        taken = [place for place in taken if place.holder != evicted]
        taken.append(Slot(f"evil {number}", "e", 100.0 + number))
    assert len(taken) == 17 and "g1" in [place.holder for place in taken]
    assert pick_eviction(taken, "n", caps) is None


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("somewhere", "somewhere"),
    ],
)
def test_client_keys(address: str, client: str) -> None:
    assert client_key(address) == client
