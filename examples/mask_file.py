"""Mask a recorded video, with a progress line and a look at the report.

python examples/mask_file.py meeting.mp4 meeting.masked.mp4
"""

from __future__ import annotations

import sys

from streamer import JobError, Progress, Settings, anonymize_file


def show(progress: Progress) -> None:
    """Called after every frame."""
    total = progress.frames_expected or "?"
    print(f"\r{progress.frames} of {total} frames, {progress.faces} faces", end="", file=sys.stderr)


def main(source: str, target: str) -> int:
    """Write the masked copy; returns the exit code."""
    # The keys are those of a YAML file; `streamer.load("meeting")` gives the settings of a preset or file.
    settings = Settings.model_validate({"mask": {"style": "mosaic"}, "file": {"audio": "drop"}})
    try:
        report = anonymize_file(source, target, settings, overwrite=True, on_progress=show)
    except JobError as error:  # the input cannot be read, the output cannot be written: one clear line
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    print(f"\n{report.frames} frames, {report.faces} faces, {report.seconds.blanket:.1f} s masked whole")
    for warning in report.warnings:
        print(f"warning: {warning}")
    return 3 if report.failed_samples or report.damaged else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
