from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.frame import BLANKET, Cover, Verdict
from core.paint.masker import Masker
from streamer.gops.choice import Again, Choice, Copy, Drop, Encode, GopChooser, Hold, is_untouched
from streamer.gops.gop import Gop
from tests.rigs.painting import FACE, astronaut, mask_config, settled

GOPS = (
    Gop(0, 0, 3, (0, 1, 2), closed=True),
    Gop(1, 3, 3, (3, 4, 5), closed=False),
    Gop(2, 6, 2, (6, 7), closed=True, refusal="it is damaged"),
    Gop(3, 8, 3, (8, 9, 10), closed=True),
)


def run(touched: set[int], frames: range = range(11), most_held: int = 9) -> list[Choice]:
    chooser = GopChooser(GOPS, most_held)
    return [choice for pts in frames for choice in chooser.frame(pts, pts not in touched)] + [*chooser.finish()]


def outcome(choices: list[Choice]) -> tuple[list[int], list[int]]:
    copied = [choice.gop.number for choice in choices if isinstance(choice, Copy)]
    return copied, [pts for choice in choices if isinstance(choice, Encode | Again) for pts in choice.pts]


def test_untouched_groups_are_copied_and_what_follows_begins_anew() -> None:
    choices = run(set())
    assert outcome(choices) == ([0, 1, 3], [6, 7])
    assert choices[:3] == [Hold(0), Hold(1), Copy(GOPS[0])]
    assert [c.fresh for c in choices if isinstance(c, Encode)] == [True, False]


def test_held_frames_are_encoded_as_soon_as_one_of_their_group_is_touched() -> None:
    choices = run({9})
    assert choices[-3:] == [Encode((8,), fresh=False), Encode((9,), fresh=False), Encode((10,), fresh=False)]


def test_a_group_that_needs_an_earlier_one_is_copied_only_after_it() -> None:
    assert outcome(run({1})) == ([3], [0, 1, 2, 3, 4, 5, 6, 7])
    assert outcome(run({4}))[0] == [0, 3]


def test_frames_that_are_too_many_to_hold_are_dropped_and_decoded_again() -> None:
    choices = run({10}, most_held=1)
    assert Drop((8, 9)) in choices
    assert choices[-2:] == [Again(GOPS[3], 8, (8, 9), fresh=False), Encode((10,), fresh=False)]
    again = [c for c in run({5}, most_held=0) if isinstance(c, Again)]
    assert again == [Again(GOPS[1], 0, (3, 4), fresh=True)], "an open group is decoded from where its run begins"


@pytest.mark.parametrize("most_held", [0, 1, 9])
def test_a_missing_frame_makes_its_group_encoded(most_held: int) -> None:
    for missing in (8, 9, 10):
        chooser = GopChooser(GOPS, most_held)
        choices = [c for pts in range(11) if pts != missing for c in chooser.frame(pts, untouched=True)]
        copied, encoded = outcome([*choices, *chooser.finish()])
        assert copied == [0, 1] and encoded == [pts for pts in range(6, 11) if pts != missing]


def test_a_frame_that_the_index_does_not_know_is_encoded() -> None:
    chooser = GopChooser(GOPS, 9)
    choices = [c for pts in (0, 1, 2, 77, 3, 4, 5) for c in chooser.frame(pts, untouched=True)]
    assert outcome([*choices, *chooser.finish()]) == ([0], [77, 3, 4, 5])


@given(st.sets(st.integers(0, 10)), st.integers(0, 4))
def test_every_frame_is_either_encoded_once_in_order_or_copied(touched: set[int], most_held: int) -> None:
    choices = run(touched, most_held=most_held)
    copied, encoded = outcome(choices)
    assert encoded == sorted(encoded)
    assert sorted([*encoded, *(pts for number in copied for pts in GOPS[number].pts)]) == list(range(11))
    assert not touched & {pts for number in copied for pts in GOPS[number].pts}
    held = 0
    for choice in choices:
        held += isinstance(choice, Hold)
        assert held <= most_held
        held = held if isinstance(choice, Hold) else 0


def test_only_a_settled_frame_without_regions_is_untouched() -> None:
    masker = Masker(mask_config())
    assert is_untouched(masker.mask(astronaut(), settled()))
    for verdict in (settled(FACE), BLANKET, Verdict(Cover.HELD)):
        assert not is_untouched(masker.mask(astronaut(), verdict))
