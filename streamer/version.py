"""The version of veilcast."""

from importlib.metadata import version

VERSION = version("veilcast")
