"""Hide something else than faces, with a detector of your own: here everything that is bright red.

python examples/own_detector.py in.mp4 out.mp4
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core import Box, Detection
from streamer import anonymize_file

Picture = npt.NDArray[np.uint8]


class RedThings:
    """What every detector is: a name, and `detect`. veilcast follows what it finds through time and masks it."""

    name = "red"

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """One list per picture. Pictures are (height, width, 3), blue, green, red; boxes are in their pixels.

        An error raised here never lets a frame out unmasked: the frames around are masked whole.
        """
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Picture) -> list[Detection]:
        blue, green, red = (picture[:, :, channel].astype(np.int16) for channel in range(3))
        mask = ((red > 150) & (red - np.maximum(blue, green) > 80)).astype(np.uint8)
        _, _, areas, _ = cv2.connectedComponentsWithStats(mask)
        return [
            # The score runs from 0 to 1; `track.new_track_score` (0.44) is what starts a track.
            Detection(Box(x, y, x + width, y + height), 0.9, self.name, "red thing")
            for x, y, width, height, area in areas[1:].astype(float)  # the first is the background
            if area > 20
        ]


def main(source: str, target: str) -> int:
    """Write the masked copy; returns the exit code."""
    report = anonymize_file(source, target, overwrite=True, make_detector=RedThings)
    print(f"{report.frames} frames, {report.faces} things followed")
    return 3 if report.failed_samples or report.damaged else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
