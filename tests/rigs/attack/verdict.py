"""Which effects of an attack are allowed."""

from __future__ import annotations

from typing import Final

from tests.rigs.attack.attacks import ATTACKS
from tests.rigs.attack.rig import CLIENTS, NEWCOMERS, Outcome

KEEPS: Final = 0.9
"""Share of its picture rate that every good client keeps."""
SERVED_WITHIN: Final = 4.0
"""Seconds within which a newcomer gets what it came for."""
ENDS_WITHIN: Final = 5.0
"""Seconds from SIGTERM to the end."""
FREE: Final = 20
"""Guesses that four addresses get without a lockout: everybody mistypes."""

GUESSES: Final = 20.0
"""Guesses per second that may be checked, over all attackers."""
_SPIN: Final = 0.5  # extra cores while an attack only holds its connections; a busy loop would take one


def faults(outcome: Outcome, seconds: float, *, shared: bool = False, keeps: float = KEEPS) -> list[str]:
    """A line for each rule that was broken.

    `shared`: the attackers come from the good clients' own address. What is capped per address may then be closed to
    newcomers; those who are served already must stay so.
    """
    found = []
    if outcome.crashed:
        found.append(f"crashed: {outcome.crashed}")
    if outcome.tracebacks:
        found.append(f"{outcome.tracebacks} tracebacks in the log")
    kind = ATTACKS[outcome.attack]
    if kind.camera_returns and not outcome.camera_back:
        found.append("the camera was not connected to again")
    for who in CLIENTS:
        before, during = outcome.rates[who]
        if not kind.camera_returns and during < keeps * before:
            found.append(f"{who} {during:.1f} of {before:.1f} pictures/s")
    if outcome.thrown_out:
        found.append(f"good viewers thrown out {outcome.thrown_out} times")
    if not shared:
        for who in NEWCOMERS:
            served, came, waited = outcome.newcomers[who]
            if served < came or not came or waited > SERVED_WITHIN:
                found.append(f"newcomers ({who}): {served} of {came} served, up to {waited:.1f} s")
    if outcome.ended is not None and outcome.ended > ENDS_WITHIN:
        found.append(f"SIGTERM took {outcome.ended:.1f} s")
    calm, _, late = outcome.cpu
    if kind.quiet and late > calm + _SPIN:
        found.append(f"spins: {late:.2f} cores, {calm:.2f} in peace")
    judged = max(0, outcome.tally.get("guesses", 0) - FREE)
    if (guesses := judged / (seconds + (outcome.ended or 0.0))) > GUESSES:
        found.append(f"{guesses:.0f} guesses/s")
    if failures := outcome.tally.get("500"):
        found.append(f"{failures} answers 500")
    found += [
        f"{what}: {count} times" for what, count in outcome.tally.items() if what.startswith(("served ", "listens on "))
    ]
    return found
