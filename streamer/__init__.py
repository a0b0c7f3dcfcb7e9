"""Everything that touches the world: sources, encoder, sinks, jobs and the command line."""

from streamer.errors import ConfigError, InputError, JobError, OutputError
from streamer.file_job import Progress, anonymize_file
from streamer.report import Report
from streamer.settings import Settings, load

__all__ = [
    "ConfigError",
    "InputError",
    "JobError",
    "OutputError",
    "Progress",
    "Report",
    "Settings",
    "anonymize_file",
    "load",
]
