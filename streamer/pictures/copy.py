"""Paints a picture and codes its copy: only what the masker has painted gets out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

from core.config import MaskConfig
from core.frame import Verdict
from core.masked_frame import MaskedFrame
from core.still import StillAnonymizer
from streamer.atomic_file import write_atomically
from streamer.errors import OutputError
from streamer.pictures.deep import DeepChannels, deep_heic, deep_png, deep_tiff
from streamer.pictures.heif import coded_heic
from streamer.pictures.isobmff import with_colours
from streamer.pictures.save_options import CICP, SaveOptions
from streamer.pictures.source import Channels, SourcePicture

_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class MaskedPicture:
    """A painted picture: grey or RGB as one frame, CMYK as four grey ones; its opacity as another, if any."""

    colour: tuple[MaskedFrame, ...]
    alpha: MaskedFrame | None = None


def masked_picture(
    engine: StillAnonymizer, picture: SourcePicture, verdict: Verdict, mask: MaskConfig
) -> MaskedPicture:
    """Paint a verdict. A mask is opaque: the outline of what it hides must not show in the transparency either."""
    colour: tuple[MaskedFrame, ...]
    if picture.colour.ndim == 3 and picture.colour.shape[2] == 4:
        inks = _inks(mask.color)
        colour = tuple(
            engine.paint(_frame(picture.colour[:, :, i]), verdict, mask.model_copy(update={"color": (inks[i],) * 3}))
            for i in range(4)
        )
    else:
        colour = (engine.paint(_frame(picture.colour), verdict, mask),)
    if picture.alpha is None:
        return MaskedPicture(colour)
    opaque = mask.model_copy(update={"style": "solid", "color": _WHITE, "outline": False})
    return MaskedPicture(colour, engine.paint(_frame(picture.alpha), verdict, opaque))


def coded(picture: MaskedPicture, options: SaveOptions) -> bytes:
    """The picture as a file. Raises OSError, ValueError or RuntimeError if its format cannot hold it."""
    if picture.colour[0].video.format.name in ("gray16le", "rgb48le"):
        return _coded_deep(picture, options)
    # Pillow takes five times as long to copy rows with padding between them.
    layers = [Image.fromarray(np.ascontiguousarray(frame.video.to_ndarray())) for frame in picture.colour]
    image = layers[0] if len(layers) == 1 else Image.merge("CMYK", layers)
    if picture.alpha is not None:
        opacity = Image.fromarray(np.ascontiguousarray(picture.alpha.video.to_ndarray()))
        image = Image.merge("LA" if image.mode == "L" else "RGBA", (*image.split(), opacity))
    if options["format"] == "HEIF":
        return coded_heic(image, options)
    out = io.BytesIO()
    image.save(out, **{name: value for name, value in options.items() if name != CICP})  # type: ignore[arg-type]
    colours = options.get(CICP)
    return with_colours(out.getvalue(), colours) if isinstance(colours, bytes) else out.getvalue()


def _coded_deep(picture: MaskedPicture, options: SaveOptions) -> bytes:
    layers = [frame.video.to_ndarray() for frame in (*picture.colour, picture.alpha) if frame is not None]
    samples: DeepChannels = np.asarray(layers[0] if len(layers) == 1 else np.dstack(layers), np.uint16)
    return {"PNG": deep_png, "TIFF": deep_tiff, "HEIF": deep_heic}[str(options["format"])](samples, options)


def write_picture(picture: MaskedPicture, target: Path, options: SaveOptions, overwrite: bool) -> None:
    """Write the copy under a hidden name and rename it when it is complete. Raises OutputError."""
    try:
        content = coded(picture, options)
    except (OSError, ValueError, RuntimeError) as error:
        raise OutputError(target, f"cannot be written ({_line(error)})") from error
    write_coded(content, target, overwrite)


def write_coded(content: bytes, target: Path, overwrite: bool) -> None:
    """The same for a copy that is coded already."""
    try:
        write_atomically(target, content, overwrite)
    except FileExistsError as error:
        raise OutputError(target, "appeared in the meantime; --overwrite replaces it") from error
    except OSError as error:
        raise OutputError(target, f"cannot be written ({_line(error)})") from error


def _line(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or " ".join(str(error).split())).lower()


def _frame(samples: Channels) -> av.VideoFrame:
    form = samples.ndim - 2
    if samples.dtype == np.uint8:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(samples, np.uint8), ("gray", "rgb24")[form])
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(samples, np.uint16), ("gray16le", "rgb48le")[form])


def _inks(color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Cyan, magenta, yellow and black, 0 to 255, of a colour (red, green, blue)."""
    most = max(color)
    if most == 0:
        return 0, 0, 0, 255
    cyan, magenta, yellow = (round(255 * (most - value) / most) for value in color)
    return cyan, magenta, yellow, 255 - most
