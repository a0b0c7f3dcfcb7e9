"""Masks single pictures: a detector that takes its time, and the same masker that paints frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import av

from core.config import EngineConfig, MaskConfig
from core.detect.detection import Detection, Detector
from core.detect.still import StillDetector, in_both_views
from core.frame import BLANKET, Cover, Frame, Region, Verdict
from core.masked_frame import MaskedFrame
from core.owned_thread import one_line
from core.paint.head import extended
from core.paint.masker import Masker
from core.pictures.planes import BgrImage


class StillAnonymizer:
    """Decides what to hide in single pictures, and paints it. Not thread-safe; loads its weights once, when needed.

    `make_detector` replaces the configured detectors. `error` is one line about the last picture whose detection
    failed, None if it did not.
    """

    def __init__(self, config: EngineConfig | None = None, make_detector: Callable[[], Detector] | None = None) -> None:
        self._config = config or EngineConfig()
        self._make_detector = make_detector
        self._detector: StillDetector | None = None
        self.error: str | None = None

    def decide(self, views: Sequence[BgrImage]) -> Verdict:
        """The verdict on one picture, from one or more views of it: BGR, (height, width, 3), uint8, of the same size.

        If the detector fails, the verdict is to mask everything.
        """
        self.error = None
        try:
            if self._detector is None:
                self._detector = StillDetector(self._config, self._make_detector)
            found: list[Detection] = []
            for view in views:
                found = in_both_views(found, self._detector.detect(view))
        except Exception as error:  # noqa: BLE001 - any error: the picture is masked whole, and the caller is told
            self.error = one_line(error)
            return BLANKET
        if any(not d.box.is_valid() or not 0 <= d.score <= 1.0001 for d in found):
            self.error = "the detector returned invalid boxes or scores"
            return BLANKET
        regions = tuple(self._region(number, detection) for number, detection in enumerate(found))
        return extended(Verdict(Cover.SETTLED, regions), self._config.mask)

    def paint(self, video: av.VideoFrame, verdict: Verdict, mask: MaskConfig | None = None) -> MaskedFrame:
        """Paint a verdict onto an upright picture of the size of its views, in place. `mask` replaces the settings'.

        Raises UnsupportedPictureError for a pixel format without plane views.
        """
        masker = Masker(mask or self._config.mask, self._config.zones)
        return masker.mask(Frame(0, video, 0.0), verdict)

    def _region(self, number: int, detection: Detection) -> Region:
        box = detection.box.grown(self._config.track.margin)
        return Region(box, number, detection.label, min(detection.score, 1.0))
