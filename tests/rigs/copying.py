"""The way from file to file with the engine left out: nothing is looked for, every frame passes the masker."""

from __future__ import annotations

from pathlib import Path

from core.config import MaskConfig
from core.frame import BLANKET, Cover, Frame, Verdict
from core.paint.masker import Masker
from streamer.file.masked_file import MaskedFile
from streamer.file.source import FileSource, SourceInfo
from streamer.settings.audio import AudioPolicy
from streamer.settings.encoder import EncoderConfig
from streamer.warning_log import WarningLog

NOTHING_FOUND = Verdict(Cover.SETTLED)


def copy(
    source: Path,
    target: Path,
    *,
    audio: AudioPolicy = "keep",
    encoder: EncoderConfig | None = None,
    overwrite: bool = False,
    keep_metadata: bool = False,
) -> tuple[SourceInfo, WarningLog]:
    """Write `target` from `source`; frames that are not trusted become blanket."""
    warnings, masker = WarningLog(), Masker(MaskConfig())
    with (
        FileSource(source, warnings=warnings) as reader,
        MaskedFile(
            target,
            reader.info,
            encoder=encoder,
            audio=audio,
            overwrite=overwrite,
            keep_metadata=keep_metadata,
            warnings=warnings,
        ) as writer,
    ):
        for item in reader:
            if isinstance(item, Frame):
                writer.write_frame(masker.mask(item, NOTHING_FOUND if item.trusted else BLANKET))
            else:
                writer.write_audio(item)
        return reader.info, warnings
