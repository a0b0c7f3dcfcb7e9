"""When a worker is taken to be deaf, and when it is only idle, busy or starting."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.cluster.deafness import LONG, Deafness
from streamer.cluster.sending import Sending, steps_after
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import StepId, StepKind

WAITS = StepId("a" * 32, StepKind.UNIT, 3)


class Scene(Leases, Sending):
    """What the database and Redis say."""

    def __init__(self) -> None:
        self.messages: int | None = 1
        self.steps: Sequence[StepId] = [WAITS]  # type: ignore[assignment]
        self.busy = False
        self.now = 0.0

    def free(self, most: int, job: str | None = None) -> list[StepId]:
        return list(self.steps)

    def at_work(self, workers: str) -> bool:
        return self.busy

    def waiting(self, queue: str) -> int | None:
        return self.messages

    def after(self, seconds: float, deafness: Deafness, ready: bool = True) -> bool:
        self.now += seconds
        return deafness.found(ready)


def test_it_is_deaf_if_messages_wait_for_long_while_it_is_idle() -> None:
    scene = Scene()
    deafness = Deafness(scene, scene, "node", lambda: scene.now)
    assert not scene.after(0, deafness) and not scene.after(LONG - 1, deafness) and scene.after(2, deafness)
    assert not scene.after(1, deafness) and not scene.after(2 * LONG - 1, deafness), "ever more slowly"
    assert scene.after(2, deafness)


def test_whoever_is_busy_starting_or_has_nothing_to_hear_is_not() -> None:
    scene = Scene()
    deafness = Deafness(scene, scene, "node", lambda: scene.now)
    for name, value in (("messages", 0), ("messages", None), ("steps", []), ("busy", True)):
        before = getattr(scene, name)
        assert not scene.after(1, deafness) and not scene.after(LONG - 1, deafness)
        setattr(scene, name, value)
        assert not scene.after(5, deafness), name
        setattr(scene, name, before)
        assert not scene.after(1, deafness) and not scene.after(LONG - 1, deafness), "counted from then on"
        assert not scene.after(1, deafness, ready=False)


def test_only_what_nobody_was_told_of_is_rung_for() -> None:
    units = [StepId("j", StepKind.UNIT, number) for number in range(3)]
    join = StepId("j", StepKind.JOIN)
    assert steps_after(StepId("j", StepKind.WHOLE), units) == units, "it has just been cut"
    assert steps_after(units[1], [units[0], units[2]]) == [], "one is done, the others are known"
    assert steps_after(units[1], units) == [units[1]], "it was let go of"
    assert steps_after(units[1], [join]) == [join] and steps_after(join, [join]) == [join]
