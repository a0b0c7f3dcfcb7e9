"""How many threads OpenCV uses."""

from __future__ import annotations

import cv2


def one_opencv_thread() -> None:
    """Make OpenCV work in the calling thread, in the whole process.

    Detector inputs and painted patches are small, and decoder, detector and encoder keep all cores busy: OpenCV's own
    threads would only wake up and spin until there is more to do.
    """
    cv2.setNumThreads(1)
