"""Everything that does I/O: sources, encoders, sinks, jobs and the command line."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # what type checkers know; importing `typing` takes ten times as long as this whole module
if TYPE_CHECKING:
    from streamer.errors import ConfigError, InputError, JobError, OutputError
    from streamer.file.job import Progress, anonymize_file
    from streamer.file.report import Report
    from streamer.pictures.job import anonymize_picture_file
    from streamer.settings.file import Settings
    from streamer.settings.loading import load
    from streamer.units.job import anonymize_recording
    from streamer.verify.job import verify_file
    from streamer.verify.verified_copy import anonymize_and_verify
    from streamer.verify.verify_report import VerifyReport

__all__ = [
    "ConfigError",
    "InputError",
    "JobError",
    "OutputError",
    "Progress",
    "Report",
    "Settings",
    "VerifyReport",
    "anonymize_and_verify",
    "anonymize_file",
    "anonymize_picture_file",
    "anonymize_recording",
    "load",
    "verify_file",
]

_HOMES = {
    "ConfigError": "errors",
    "InputError": "errors",
    "JobError": "errors",
    "OutputError": "errors",
    "Progress": "file.job",
    "Report": "file.report",
    "Settings": "settings.file",
    "VerifyReport": "verify.verify_report",
    "anonymize_and_verify": "verify.verified_copy",
    "anonymize_file": "file.job",
    "anonymize_picture_file": "pictures.job",
    "anonymize_recording": "units.job",
    "load": "settings.loading",
    "verify_file": "verify.job",
}


def __getattr__(name: str) -> object:
    # Imported on first use: the program's first lines must run before all the video code is loaded.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"streamer.{_HOMES[name]}"), name)
