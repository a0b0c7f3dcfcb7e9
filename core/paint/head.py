"""Grows the region of a face until it hides the whole head, for `mask.cover: head`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from core.config import MaskConfig
from core.frame import Verdict
from core.geometry import Box

_SIZE: Final = 1.6 / 1.3
"""Size of a head's region relative to that of a face: 1.6 times the detection where a face has 1.3."""

_RAISED: Final = 0.06
"""How far it is moved up, relative to the face region's height: there is more hair than neck.

At most (`_SIZE` - 1) / 2, so that a head's region always holds that of the face, even if the head hangs upside down.
"""


def extended(verdict: Verdict, config: MaskConfig) -> Verdict:
    """The verdict with its regions as large as `config.cover` wants; the same verdict if nothing changes.

    Only regions labelled `face` grow. A region that is not valid stays as it is, for the masker to refuse.
    """
    if config.cover == "face" or not verdict.regions:
        return verdict
    regions = tuple(
        replace(region, box=_head(region.box)) if region.label == "face" and region.box.is_valid() else region
        for region in verdict.regions
    )
    return replace(verdict, regions=regions)


def _head(face: Box) -> Box:
    return face.grown(_SIZE).moved(0.0, -_RAISED * face.height)
