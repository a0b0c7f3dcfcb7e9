"""A next version of veilcast beside this one: with a table, a column and an option of its own, and another name."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
NEXT: Final = "99.0.0"
_MIGRATION: Final = '''\
"""What the next version needs, and this one need not know."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("later", sa.Text(), nullable=True))
    op.create_table("later", sa.Column("name", sa.Text(), nullable=False))
'''
_OPTION: Final = "    copy_untouched: bool = True\n"


@dataclass(frozen=True, slots=True)
class Version:
    """Where a version is: the folder that holds `streamer`, and the Python that imports it from there."""

    root: Path
    python: Path


THIS: Final = Version(ROOT, Path(sys.executable))


def next_version(folder: Path) -> Version:
    """Make it in a new folder: a copy of this one in an environment of its own, with the libraries of this one's."""
    root = folder / "next"
    for name in ("core", "streamer", "configs", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "data", "fuzz"))
    versions = root / "streamer" / "service" / "store" / "migrations" / "versions"
    head = max(path.name[1:5] for path in versions.glob("v*.py"))
    (versions / "v9999_later.py").write_text(_MIGRATION.format(head=head))
    settings = root / "streamer" / "settings" / "file.py"
    text = settings.read_text("utf-8")
    assert text.count(_OPTION) == 1
    settings.write_text(text.replace(_OPTION, f"{_OPTION}    later: bool = True\n"), "utf-8")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "next.pth").write_text(f"{root}\n{sysconfig.get_path('purelib')}\n")
    named = packages / f"veilcast-{NEXT}.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: veilcast\nVersion: {NEXT}\n")
    return Version(root, environment / "bin" / "python")
