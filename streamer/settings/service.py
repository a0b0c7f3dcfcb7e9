"""Settings of `veilcast serve`, on top of those for files and cameras."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, IPvAnyNetwork, SecretStr

from core.config import Section
from streamer.settings.file import Settings
from streamer.settings.live import ListenAddress, LiveSettings
from streamer.settings.web import HostName

_CPUS = os.cpu_count() or 1


class ServiceConfig(Section):
    """The HTTP API, the page, and what they keep."""

    listen: ListenAddress = "127.0.0.1:8080"
    """[HOST:]PORT of the page and the API."""
    data: Path = Path("veilcast-data")
    """Folder for everything that is kept: database, files, audit log; with `database` and `blobs`, only for scratch."""
    database: SecretStr | None = None
    """PostgreSQL that several servers share: postgresql://USER:PASSWORD@HOST/DATABASE. Default: a file in `data`."""
    blobs: str | None = None
    """Where files are kept: s3://BUCKET/PREFIX, or a folder that all servers share. Default: in `data`."""
    audit_key: Path | None = None
    """File with the key that signs checkpoints; it is made if it is missing. Default: in `data`, or with `database`
    kept there, so that all servers sign with the same one."""
    hosts: tuple[HostName, ...] = ()
    """Host names that browsers may use while no token is asked for, besides localhost and the machine's own."""
    proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses of proxies in front of it: what comes from there comes from whoever their `X-Forwarded-For` names."""
    keep_hours: Annotated[float, Field(gt=0, le=87_600)] = 24.0
    """Results, masked pictures and unfinished uploads are deleted after this many hours."""
    workers: Annotated[int, Field(ge=0, le=256)] = max(1, _CPUS // 2)
    """Jobs at a time, each in a process of its own. Default: half as many as there are CPUs, none with `broker`. 0: no
    jobs are done."""
    broker: SecretStr | None = None
    """Redis that tells workers on other machines what there is to do: redis://HOST/0. They are `veilcast worker`."""
    picture_workers: Annotated[int, Field(ge=1, le=256)] = max(1, _CPUS - 1)
    """Processes that mask pictures while the client waits. Default: one fewer than there are CPUs."""
    picture_queue: Annotated[int, Field(ge=0, le=10_000)] = 64
    """Pictures that may wait for them; one more is answered 429."""
    picture_mb: Annotated[int, Field(ge=1, le=2000)] = 100
    """Megabytes that a picture's file may have."""
    upload_mb: Annotated[int, Field(ge=1, le=10_000_000)] = 20_000
    """Megabytes that an upload may have."""
    job_memory_mb: Annotated[int, Field(ge=500, le=1_000_000)] = 4000
    """Megabytes of memory that a job may use."""
    job_hours: Annotated[float, Field(gt=0, le=8760)] = 24.0
    """Hours that one attempt at a job may take."""
    checkpoints: Path | None = None
    """Existing folder for signed checkpoints of the audit log: on another machine, they show if its end was cut off."""
    grace: Annotated[float, Field(ge=0, le=86_400)] = 5.0
    """Seconds that requests in progress have to end when the server is to stop. Then they are answered 503."""
    webhooks_private: bool = False
    """Webhooks may go to addresses inside the network."""
    webhooks_http: bool = False
    """Webhooks may go without encryption."""
    max_connections: Annotated[int, Field(ge=8, le=10_000)] = 512
    """HTTP connections at a time. Beyond that, the one that has waited longest is closed."""
    max_connections_per_address: Annotated[int, Field(ge=8, le=10_000)] = 128
    """The same per address (for IPv6, per /64)."""

    @property
    def own_workers(self) -> int:
        """Jobs that the server does at a time itself."""
        return self.workers if self.broker is None or "workers" in self.model_fields_set else 0


class ServeSettings(LiveSettings):
    """Settings of the engine, of cameras and of the service: the keys of a YAML file."""

    service: ServiceConfig = ServiceConfig()

    @property
    def of_files(self) -> Settings:
        """The settings that concern the masking of files."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})
