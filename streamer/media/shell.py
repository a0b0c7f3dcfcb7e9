"""A second header on the same picture, so that an encoder can stamp it without touching the frame it was given."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph
from av.filter.context import FilterContext

_ANY_BASE = Fraction(1, 1000)


class Shells:
    """Makes shells: frames that share another frame's planes but have pts, time base and picture type of their own.

    No sample is copied (FFmpeg's reference counting does the work, through a filter graph that filters nothing), so the
    picture must not be painted on while a shell of it is in use. Not for several threads at once.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._graph: Graph | None = None
        self._source: FilterContext | None = None
        self._sink: FilterContext | None = None

    def of(self, video: av.VideoFrame) -> av.VideoFrame:
        """A shell of this frame; colours, interlacing and side data are the frame's. Raises av.FFmpegError."""
        key = video.width, video.height, video.format.name, video.colorspace, video.color_range
        if key != self._key or self._source is None or self._sink is None:
            self._open(*key)
            self._key = key
        assert self._source is not None and self._sink is not None
        self._source.push(video)
        shell = self._sink.pull()
        assert isinstance(shell, av.VideoFrame)
        return shell

    def _open(self, width: int, height: int, pixels: str, colorspace: int, color_range: int) -> None:
        self._key = None
        graph = Graph()
        graph.threads = 1  # FFmpeg would start some for every graph
        base = f"{_ANY_BASE.numerator}/{_ANY_BASE.denominator}"
        source = graph.add(
            "buffer",
            f"video_size={width}x{height}:pix_fmt={pixels}:time_base={base}:colorspace={colorspace}:range={color_range}",
        )
        sink = graph.add("buffersink")
        source.link_to(sink)
        graph.configure()
        self._graph, self._source, self._sink = graph, source, sink
