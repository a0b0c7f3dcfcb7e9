"""How many threads OpenCV takes for itself."""

from __future__ import annotations

import cv2


def one_opencv_thread() -> None:
    """Have OpenCV work in the thread that calls it, in the whole process.

    Pictures to look at and patches to paint are small, and decoder, detector and encoder keep all cores busy: OpenCV's
    own threads would only be woken, and spin until there is more to do.
    """
    cv2.setNumThreads(1)
