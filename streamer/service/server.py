"""`veilcast serve`: opens the data folder, starts workers and the web server, and stops them in order."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import text

from streamer.errors import ConfigError
from streamer.guard.connection_caps import Caps
from streamer.guard.http_pace import PaceLimits
from streamer.http.host_names import HostNames
from streamer.http.server import HttpServer
from streamer.runtime.descriptors import raise_limit
from streamer.runtime.event_loop import LoopThread
from streamer.service.access.decision import AccessRules
from streamer.service.access.sessions import LoginSessions
from streamer.service.access.tokens import TokenError, Tokens
from streamer.service.app import ServiceParts, service_app
from streamer.service.audit.checkpoint import Checkpoints, CheckpointThread
from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.keys import AuditKey
from streamer.service.audit.log import record
from streamer.service.cameras import Cameras
from streamer.service.elsewhere import Elsewhere
from streamer.service.jobs.ending import Farewell
from streamer.service.jobs.jobs import Jobs
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.orphans import remove_orphans
from streamer.service.jobs.settings import JobSettings, engine_name
from streamer.service.jobs.step import StepId
from streamer.service.jobs.uploads import Uploads
from streamer.service.pictures.cache import PictureCache
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.pictures.far import FarPictures, PictureMasker
from streamer.service.pictures.pool import PicturePool
from streamer.service.store.chores import chore_is_due
from streamer.service.store.data_folder import DATABASE, DataFolder
from streamer.service.store.database import BusyError, Database, StorageError
from streamer.service.store.folder_lock import FolderLock
from streamer.service.webhooks.courier import Courier
from streamer.service.webhooks.deliveries import Deliveries
from streamer.service.webhooks.sender import WebhookSender
from streamer.service.webhooks.target import WebhookPolicy
from streamer.service.work.doorbell import Doorbell
from streamer.service.work.keeper import Keeper
from streamer.service.work.sandbox import lacking
from streamer.service.work.step_work import JobLimits
from streamer.service.work.worker import Worker
from streamer.settings.listen import parse_listen
from streamer.settings.service import ServeSettings

_log = logging.getLogger("veilcast.service")

START: Final = 30.0  # seconds for the web server to listen, and to stop
POLL: Final = 0.2
CHORES: Final = 30.0  # seconds between two rounds of the keeper
ORPHAN: Final = 3600.0  # seconds; no upload or job takes that long between storing a file and noting it
SHARED_ORPHAN: Final = 86400.0  # the same for a bucket, where a large file's age may count from when it was begun
SPARE: Final = 64 << 20  # bytes; with less room on the disk the server is not ready
PACE: Final = PaceLimits(answer=600.0)  # a picture may wait for a process, a large upload for its hash
ENVIRONMENT_TOKEN: Final = "VEILCAST_TOKEN"


class ServiceServer:
    """Runs the service as a context manager. Entering it raises ConfigError, in one line, if it cannot start.

    `token`: an admin's secret that was chosen elsewhere, such as a container's environment. `insecure`: let everybody
    in who can reach it. `elsewhere`: workers on other machines.
    """

    def __init__(
        self,
        settings: ServeSettings,
        token: str | None = None,
        insecure: bool = False,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._settings, self._token, self._insecure = settings, token, insecure
        self._stack, self._leaving = ExitStack(), threading.Event()
        self._http: HttpServer | None = None
        self._workers: list[Worker] = []
        self._cameras: Cameras | None = None
        self._database: Database | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._http is None:
            raise RuntimeError("the service has not been started")
        return self._http.port

    def __enter__(self) -> ServiceServer:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(
        self, stop: threading.Event, duration: float | None = None, reload: Callable[[], None] | None = None
    ) -> None:
        """Run until `stop` is set or `duration` seconds have passed. Raises the error of what failed for good.

        `reload` is called regularly in this thread.
        """
        end = None if duration is None else time.monotonic() + duration
        while not stop.wait(POLL) and (end is None or time.monotonic() < end):
            for worker in self._workers:
                if worker.error is not None:
                    raise worker.error
            if self._cameras is not None and self._cameras.error is not None:
                raise self._cameras.error
            if reload is not None:
                reload()

    def apply(self, settings: ServeSettings) -> None:
        """Apply the masks and zones of other settings to the cameras, if there are any; then the audit log says so."""
        if self._cameras is None or self._database is None:
            _log.warning("there is nothing to reload: only masks and zones of cameras are, and there are no cameras")
            return
        self._cameras.apply(settings)
        said = {"masks_sha256": settings.masks_fingerprint()}
        try:
            with self._database.writing() as session:
                record(session, AuditEntry(AuditAction.RELOAD, SYSTEM, settings=said), self._database.now())
        except (BusyError, StorageError) as error:
            _log.error("masks and zones were reloaded, but the audit log does not say so: %s", error)

    def _start(self) -> None:
        config, stack = self._settings.service, self._stack
        where = parse_listen(config.listen)
        raise_limit()
        if (gap := lacking()) is not None:
            _log.warning("%s", gap)
        folder = DataFolder.of(config)
        stack.callback(folder.close)
        stack.callback(FolderLock(folder.path).close)
        self._database = folder.database
        tokens = Tokens(folder.database)
        if self._token is not None:
            try:
                tokens.adopt(self._token, ENVIRONMENT_TOKEN)
            except TokenError as error:
                raise ConfigError(Path(ENVIRONMENT_TOKEN), str(error)) from error
        if where.is_open and not self._insecure and not tokens.any_valid():
            raise ConfigError(
                Path(config.listen),
                "other machines can reach this address, so a valid token is needed: veilcast token create LABEL --role "
                f"submit --data {config.data}, or {ENVIRONMENT_TOKEN}; --insecure lets everybody in",
            )
        self._start_checkpoints(folder)
        keep = config.keep_hours * 3600
        policy = WebhookPolicy(config.webhooks_http, config.webhooks_private)
        deliveries = Deliveries(folder.database, policy=policy)
        farewell = Farewell(keep, deliveries)
        base = self._settings.of_files

        def engine(chosen: JobSettings) -> str:
            return engine_name(chosen.whole(base))

        shown = None if self._elsewhere is None else base.model_dump_json()
        jobs = Jobs(folder.database, folder.blobs, keep, engine, farewell, deliveries, base=shown)
        leases = Leases(folder.database, folder.blobs, farewell)
        cache = PictureCache(folder.database, folder.blobs, folder.database.now, keep)
        uploads = Uploads(folder.database, folder.blobs, config.upload_mb << 20)
        self._recover(folder, leases, uploads)
        with folder.database.writing() as session:
            said = {"config_sha256": self._settings.fingerprint()}
            entry = AuditEntry(AuditAction.SETTINGS, SYSTEM, settings=said, engine=engine_name(base))
            record(session, entry, folder.database.now())
        bell = Doorbell()
        self._start_workers(folder, leases, bell)
        rules = AccessRules(
            tokens,
            LoginSessions(tokens),
            HostNames(config.hosts, where.host),
            loopback=not where.is_open,
            insecure=self._insecure,
        )
        pool = PicturePool(config.picture_workers, config.picture_queue)
        masker: PictureMasker = pool
        if self._elsewhere is not None:
            asked = AskedPictures(folder.database, folder.blobs)
            self._elsewhere.open(folder.database, leases, asked)
            stack.callback(self._elsewhere.close)
            masker = FarPictures(pool, asked, self._elsewhere.ring_picture, config.picture_queue)
        sender = WebhookSender(deliveries, Courier(policy, folder.database.now))
        parts = ServiceParts(
            database=folder.database,
            blobs=folder.blobs,
            rules=rules,
            tokens=tokens,
            uploads=uploads,
            jobs=jobs,
            pool=masker,
            cache=cache,
            base=base,
            picture_bytes=config.picture_mb << 20,
            ring=self._ring(bell),
            steps=leases.counts,
            checks={
                "database": lambda: _answers(folder),
                "storage": folder.blobs.answers,
                "disk": lambda: shutil.disk_usage(folder.path).free > SPARE,
                "pictures": lambda: pool.ready,
                "webhooks": lambda: sender.alive,
            },
            proxies=config.proxies,
            leaving=self._leaving.is_set,
        )
        if self._settings.live.streams:
            self._cameras = stack.enter_context(Cameras(self._settings))
        sender.start()
        stack.callback(sender.close)
        self._start_chores(folder, jobs, cache, uploads)
        if self._cameras is not None:
            parts = replace(parts, site=self._cameras.site)
        self._listen(parts, pool, where.host, where.port)

    def _ring(self, bell: Doorbell) -> Callable[[StepId], None]:
        elsewhere = self._elsewhere
        if elsewhere is None:
            return bell.ring

        def ring(step: StepId) -> None:
            elsewhere.ring(step)
            bell.ring(step)

        return ring

    def _start_checkpoints(self, folder: DataFolder) -> None:
        """Before all that adds entries, so that it is closed after them and its last checkpoint covers them all."""
        where = self._settings.service.checkpoints
        try:
            key = AuditKey.of(folder.database, folder.audit_key)
        except BusyError as error:
            raise ConfigError(DATABASE, str(error)) from error
        if where is None:
            return
        checkpoints = Checkpoints(folder.database, key, where)
        checkpoints.check()
        thread = CheckpointThread(checkpoints)
        thread.start()
        self._stack.callback(thread.close)

    def _recover(self, folder: DataFolder, leases: Leases, uploads: Uploads) -> None:
        """Clean up after a server that was killed.

        With a folder of its own nothing else is at work. Where others may be, what they do is theirs until its lease
        has run out, and what nobody needs goes once it is old: see the chores.
        """
        shutil.rmtree(folder.work, ignore_errors=True)  # a process that is just dying may still hold on to some of it
        try:
            folder.work.mkdir(mode=0o700, exist_ok=True)
            if folder.shared:
                return
            queued, orphans = leases.recover(), folder.blobs.remove_unfinished()
            uploads.abandon()
            orphans += remove_orphans(folder.database, folder.blobs)
        except OSError as error:
            raise ConfigError(folder.path, f"cannot be written ({error.strerror or error})") from error
        except BusyError as error:
            raise ConfigError(folder.path, str(error)) from error
        if queued or orphans:
            _log.info("%d jobs are queued again; %d files of nobody were deleted", queued, orphans)

    def _start_workers(self, folder: DataFolder, leases: Leases, bell: Doorbell) -> None:
        config = self._settings.service
        limits = JobLimits.of(config)
        for number in range(1, config.own_workers + 1):
            worker = Worker(number, leases, folder.blobs, folder.work, self._settings.of_files, limits, bell)
            worker.start()
            self._stack.callback(worker.close)
            self._workers.append(worker)

    def _start_chores(self, folder: DataFolder, jobs: Jobs, cache: PictureCache, uploads: Uploads) -> None:
        chores: dict[str, Callable[[], object]] = {
            "deleting what has expired": jobs.expire,
            "deleting uploads that were cut off": lambda: uploads.abandon(folder.database.now() - ORPHAN),
            "deleting pictures that have expired": cache.delete_expired,
            "deleting files of nobody": lambda: self._remove_orphans(folder),
        }
        if self._elsewhere is not None:
            chores["telling workers of what waits"] = self._elsewhere.sweep
        keeper = Keeper(chores, CHORES)
        keeper.start()
        self._stack.callback(keeper.close)

    def _remove_orphans(self, folder: DataFolder) -> None:
        if not folder.shared:
            remove_orphans(folder.database, folder.blobs, folder.blobs.now() - ORPHAN)
        elif chore_is_due(folder.database, "orphans", ORPHAN):
            remove_orphans(folder.database, folder.blobs, folder.blobs.now() - SHARED_ORPHAN)

    def _listen(self, parts: ServiceParts, pool: PicturePool, host: str, port: int) -> None:
        config = self._settings.service
        network = self._stack.enter_context(LoopThread())
        http = HttpServer(
            service_app(parts),
            name="service",
            caps=Caps(config.max_connections, config.max_connections_per_address),
            limits=PACE,
            grace=config.grace,
        )
        network.run(pool.start(), START)
        self._stack.callback(lambda: network.run(pool.close(), START))
        far = parts.pool
        if isinstance(far, FarPictures):
            self._stack.callback(lambda: network.run(far.close(), START))
        try:
            network.run(http.start(host, port), START)
        except OSError as error:
            raise ConfigError(Path(config.listen), f"cannot listen there: {error.strerror or error}") from error
        self._stack.callback(lambda: network.run(http.close(), config.grace + START))
        self._stack.callback(self._leaving.set)
        if parts.site is not None:
            udp_host, site = self._settings.live.web.udp_host, parts.site
            site.open_ports_on(http.hosts if udp_host is None else (str(udp_host),))
            self._stack.callback(lambda: network.run(site.close(), START))
        self._http = http


def _answers(folder: DataFolder) -> bool:
    with folder.database.reading() as session:
        return session.execute(text("SELECT 1")).scalar() == 1
