"""What time stamps do to coverage: clips thinned to every n-th picture, stamped at odd rates, judged by pixels.

    python -m tests.bench.bench_stamps CORPUS METER [--thin 1 4 10] [--rates 25 250 1000] [--only NAME ...]

CORPUS holds NAME.mp4 (mov, mkv) beside NAME.json; METER is the judge's script. A line a variant, worst clips named.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypedDict, cast

import av

from streamer.file.job import anonymize_file
from streamer.settings.loading import load
from tests.bench.bench_corpus import VIDEOS


class Face(TypedDict):
    """A labelled face in one frame."""

    frame: int
    track: int
    box: list[float]


class Labels(TypedDict):
    """The labels of one clip."""

    frames: int
    faces: list[Face]


class Judgement(TypedDict):
    """What the meter says of one output."""

    face_frames: int
    leaks: int
    longest_leak_frames: int
    over_masked: float
    worst: list[tuple[float, int, list[float]]]


class Meter(Protocol):
    """The judge's module."""

    def measure(self, original: str, anonymised: str, labels: Labels) -> Judgement:
        """Compare two files."""
        ...


def load_meter(path: Path) -> Meter:
    """The judge, imported from its file."""
    spec = importlib.util.spec_from_file_location("meter", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Meter, module)


def pictures(path: Path, thin: int) -> Iterator[av.VideoFrame]:
    """Every `thin`-th picture of a clip."""
    with av.open(str(path)) as container:
        for index, video in enumerate(container.decode(video=0)):
            if index % thin == 0:
                yield video


def write_thinned(source: Path, target: Path, thin: int, rate: int) -> None:
    """Every `thin`-th picture of `source`, stamped `1 / rate` seconds apart, nearly without loss."""
    with av.open(str(target), "w") as container:
        stream = None
        for number, video in enumerate(pictures(source, thin)):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "14", "preset": "veryfast"})
                stream.width, stream.height = video.width & ~1, video.height & ~1
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, rate)
            picture = video.reformat(stream.width, stream.height, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(picture))
        assert stream is not None
        container.mux(stream.encode(None))


def thinned_labels(labels: Labels, thin: int) -> Labels:
    """The labels of every `thin`-th picture."""
    faces: list[Face] = [
        {"frame": f["frame"] // thin, "track": f["track"], "box": f["box"]}
        for f in labels["faces"]
        if f["frame"] % thin == 0
    ]
    return {"frames": -(-labels["frames"] // thin), "faces": faces}


def main() -> None:
    """Make each variant, mask it, judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("meter", type=Path)
    parser.add_argument("--thin", nargs="*", type=int, default=[4, 10])
    parser.add_argument("--rates", nargs="*", type=int, default=[25, 250, 1000])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--config", help="preset of veilcast")
    options = parser.parse_args()
    meter = load_meter(options.meter)
    clips = sorted(path for path in options.corpus.iterdir() if path.suffix in VIDEOS)
    with tempfile.TemporaryDirectory() as directory:
        for thin in options.thin:
            for rate in options.rates:
                judged = leaks = longest = frames = samples = 0
                over, worst = [], []
                for clip in clips:
                    if options.only and clip.stem not in options.only:
                        continue
                    labels = thinned_labels(json.loads(clip.with_suffix(".json").read_text()), thin)
                    source, target = Path(directory) / "in.mp4", Path(directory) / "out.mp4"
                    write_thinned(clip, source, thin, rate)
                    report = anonymize_file(source, target, load(options.config), overwrite=True)
                    verdict = meter.measure(str(source), str(target), labels)
                    judged, leaks = judged + verdict["face_frames"], leaks + verdict["leaks"]
                    longest = max(longest, verdict["longest_leak_frames"])
                    frames, samples = frames + report.frames, samples + report.samples
                    over.append((verdict["over_masked"], clip.stem))
                    worst.append((verdict["leaks"], clip.stem))
                named = " ".join(f"{name} {count}" for count, name in sorted(worst, reverse=True)[:4] if count)
                most, where = max(over)
                sys.stdout.write(
                    f"every {thin:2d}. at {rate:4d} fps: "
                    f"{leaks:3d}/{judged:4d} leak = {100 * leaks / max(1, judged):.2f} %, "
                    f"longest {longest}, over-masked at most {100 * most:.1f} % ({where}), "
                    f"{samples}/{frames} frames looked at; {named}\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
