"""The engine: frames and detections in, masked frames out. No network, and no files except model weights."""

from core.anonymizer import Anonymizer
from core.arrays import anonymize, anonymize_picture
from core.config import EngineConfig
from core.detect.detection import Detection, Detector
from core.engine import Stats
from core.frame import Cover, Frame, Origin, Region, Verdict
from core.geometry import Box
from core.live_anonymizer import LiveAnonymizer
from core.masked_frame import MaskedFrame
from core.replay import Replay

__all__ = [
    "Anonymizer",
    "Box",
    "Cover",
    "Detection",
    "Detector",
    "EngineConfig",
    "Frame",
    "LiveAnonymizer",
    "MaskedFrame",
    "Origin",
    "Region",
    "Replay",
    "Stats",
    "Verdict",
    "anonymize",
    "anonymize_picture",
]
