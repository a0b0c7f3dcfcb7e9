"""Findings of a check as moments: one for each face and stretch of time, most visible first."""

from __future__ import annotations

from collections.abc import Sequence

from core.verify.additions import linked
from core.verify.chains import Sight
from streamer.file.report import AddedMoment, BoxNumbers


def moments(sights: Sequence[Sight], interval: float) -> list[AddedMoment]:
    """`interval` is the time between two checked frames in seconds."""
    found = []
    for chain in linked(sights, interval):
        worst = max(chain, key=lambda s: (s.share, s.suspect.evidence))
        best = max(chain, key=lambda s: s.suspect.evidence).suspect
        found.append(
            AddedMoment(
                start=round(chain[0].time, 6),
                end=round(chain[-1].time, 6),
                frames=len(chain),
                box=numbers(worst),
                score=min(1.0, round(best.score, 4)),
                detector=best.detector,
                share=round(min(1.0, worst.share), 4),
            )
        )
    return sorted(found, key=lambda m: (-m.share * m.frames, m.start))


def numbers(sight: Sight) -> BoxNumbers:
    """The sight's box, rounded to hundredths of a pixel."""
    box = sight.box
    return round(box.x0, 2), round(box.y0, 2), round(box.x1, 2), round(box.y1, 2)
