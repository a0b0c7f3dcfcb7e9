"""Model weights: where they are, their SHA-256, and their licence."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path


class WeightsError(RuntimeError):
    """A weight file is missing or is not the file that was reviewed."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One weight file inside an installed package, pinned by its SHA-256."""

    name: str
    package: str
    path: str
    sha256: str
    license: str

    @property
    def installed(self) -> bool:
        """Whether the package that carries the file is installed; nothing is imported or read."""
        return importlib.util.find_spec(self.package) is not None

    def locate(self) -> Path:
        """The file itself. Raises WeightsError when its package is not installed."""
        # Not importlib.resources: that would import the package, and mediapipe takes seconds.
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise WeightsError(f"weights {self.name}: package {self.package!r} is not installed")
        return Path(spec.submodule_search_locations[0], self.path)

    def read(self) -> bytes:
        """The bytes of the file. Raises WeightsError if it is missing or has another hash."""
        try:
            data = self.locate().read_bytes()
        except OSError as error:
            raise WeightsError(f"weights {self.name}: cannot read {self.package}/{self.path}: {error}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise WeightsError(f"weights {self.name}: SHA-256 is {found}, expected {self.sha256}")
        return data


CENTERFACE = Weights(
    "centerface-free-size",
    "core",
    "detect/weights/centerface_free_size.onnx",  # made by tests/centerface_weights.py, same weights
    "3e27816c64237387e2bf8b0e9ed68f5e00ade71f17faf3ff37ee3330edbde664",
    "MIT (Star-Clouds/CenterFace)",
)
YUNET = Weights(
    "yunet-2023mar-one-head",
    "core",
    "detect/weights/yunet_2023mar_one_head.onnx",  # made by tests/yunet_weights.py, same weights
    "8d4a02d9ea4e04aa9afbf706ea7577eec0393be9bd50bfe5237a6cb5ff2aa8bf",
    "MIT (OpenCV Zoo, libfacedetection)",
)

BLAZEFACE_SHORT = Weights(
    "blazeface-short",
    "mediapipe",
    "modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    "Apache-2.0 (MediaPipe)",
)

BLAZEFACE_FULL = Weights(
    "blazeface-full",
    "mediapipe",
    "modules/face_detection/face_detection_full_range_sparse.tflite",
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    "Apache-2.0 (MediaPipe)",
)
