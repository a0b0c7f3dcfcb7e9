"""How much speaks for a face at a place: detections of two families, at low scores, added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.detect.detection import Detection
from core.geometry import Box, iou

SAME_PLACE = 0.3  # IoU: two detectors draw their boxes differently
SURE = {"yunet": 0.45, "centerface": 0.35}
"""With this score, one detector is evidence enough: 1."""
WEAK = {"yunet": 0.1, "centerface": 0.06}
"""Scores from here on count."""
LEAST = 0.5
"""Less evidence than this is not worth following."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place that may show a face.

    `box` in pixels of the upright frame, `score` and `detector` are those of the best detection there, `witnesses` are
    all detectors that saw something. `evidence` is 1 where one detector is sure, and so it is where both are half sure.
    """

    box: Box
    score: float
    detector: str
    witnesses: tuple[str, ...]
    evidence: float


def suspects(found: Iterable[Detection]) -> list[Suspect]:
    """The places that are worth following, one for each face, best first."""
    usable = sorted(
        (d for d in found if d.box.is_valid() and d.score >= WEAK.get(d.detector, 1.0)), key=_sureness, reverse=True
    )
    out: list[Suspect] = []
    for detection in usable:
        if any(iou(detection.box, s.box) > SAME_PLACE for s in out):
            continue
        best: dict[str, float] = {}
        for other in usable:
            if iou(other.box, detection.box) > SAME_PLACE:
                best[other.detector] = max(best.get(other.detector, 0.0), _sureness(other))
        evidence = sum(best.values())
        if evidence >= LEAST:
            witnesses = tuple(sorted(best))
            out.append(Suspect(detection.box, detection.score, detection.detector, witnesses, evidence))
    return sorted(out, key=lambda s: -s.evidence)


def _sureness(detection: Detection) -> float:
    return detection.score / SURE.get(detection.detector, 1.0)


def best_of(found: Sequence[Detection]) -> list[Detection]:
    """Of one detector's finds at several sizes, one for each place, the best one."""
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda d: -d.score):
        if not any(iou(k.box, detection.box) > SAME_PLACE for k in kept):
            kept.append(detection)
    return kept
