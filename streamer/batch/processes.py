"""Runs the copies of a plan in several processes: each loads its networks once, and one that dies costs one copy."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.resource_tracker as resource_tracker
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TypeAlias

from core.owned_thread import POLL, OwnedThread
from streamer.batch.plan import PlannedCopy
from streamer.batch.run import INTERRUPTED, UNEXPECTED, Outcome, Result, run_all
from streamer.file.report import Report

Warn = Callable[[PlannedCopy, str], None]
MakeMask = Callable[[threading.Event, Warn], Callable[[PlannedCopy], Report]]
"""Makes what masks one copy, in the process that does it: from the event that stops it, and where warnings go."""

_PATIENCE = 30.0  # seconds in which a process that is told to stop ends: at most one picture, or some frames
_KILLED = 5.0


@dataclass(frozen=True, slots=True)
class _Warning:
    copy: PlannedCopy
    text: str


_Orders: TypeAlias = "Connection[PlannedCopy | None, Result | _Warning]"
_Answers: TypeAlias = "Connection[Result | _Warning, PlannedCopy | None]"


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    orders: _Orders
    copy: PlannedCopy | None = None


def run_in_processes(
    copies: Sequence[PlannedCopy],
    jobs: int,
    make_mask: MakeMask,
    unexpected: Callable[[Exception], str],
    *,
    warn: Warn,
    interrupt: threading.Event,
) -> Iterator[Result]:
    """Like `run_all`, `jobs` copies at a time; results come out as they are ready.

    `make_mask` and `unexpected` are pickled. Once `interrupt` is set, or after KeyboardInterrupt, every process stops,
    and what it has not completed comes out as not done. Leaving early stops them, too.
    """
    waiting = deque(copies)
    workers: list[_Worker] = []
    try:
        while (waiting and not interrupt.is_set()) or any(worker.copy for worker in workers):
            if interrupt.is_set():
                for worker in workers:
                    _order(worker, None)
            else:
                while waiting and len(workers) < jobs:
                    workers.append(_started(make_mask, unexpected))
                for worker in workers:
                    if worker.copy is None and waiting:
                        worker.copy = waiting.popleft()
                        _order(worker, worker.copy)
            ready = wait([worker.orders for worker in workers], POLL)
            for worker in [worker for worker in workers if worker.orders in ready]:
                answer = _answer(worker)
                if isinstance(answer, _Warning):
                    warn(answer.copy, answer.text)
                    continue
                if answer is None:
                    workers.remove(worker)
                    answer = _died(worker, interrupt.is_set())
                worker.copy = None
                if answer is not None:
                    yield answer
    except KeyboardInterrupt:
        interrupt.set()
        waiting.extendleft(worker.copy for worker in workers if worker.copy is not None)
    finally:
        _stop(workers)
    yield from (Result(copy, Outcome.INTERRUPTED, INTERRUPTED) for copy in waiting)


def _started(make_mask: MakeMask, unexpected: Callable[[Exception], str]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(
        target=_work, args=(theirs, make_mask, unexpected), name="veilcast-worker", daemon=True
    )  # fmt: skip
    # Ctrl-C reaches every process of the terminal: it is this one's to say what becomes of the others. Starting the
    # tracker, which comes with the first process, would undo the blocking.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Worker(process, mine)


def _order(worker: _Worker, order: PlannedCopy | None) -> None:
    with contextlib.suppress(OSError):  # it has died: the next answer says so
        worker.orders.send(order)


def _answer(worker: _Worker) -> Result | _Warning | None:
    """What the process says; None if it has died."""
    try:
        return worker.orders.recv()
    except (EOFError, OSError):
        return None


def _died(worker: _Worker, stopping: bool) -> Result | None:
    copy = worker.copy
    worker.process.join(_KILLED)
    worker.orders.close()
    if copy is None:
        return None
    if stopping:
        return Result(copy, Outcome.INTERRUPTED, INTERRUPTED)
    code = worker.process.exitcode
    said = f"{copy.source}: the process that masked it was ended by the system (exit code {code}): too little memory?"
    return Result(copy, Outcome.FAILED, UNEXPECTED, error=said)


def _stop(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + _PATIENCE
    for worker in workers:
        _order(worker, None)
    for worker in workers:
        with contextlib.suppress(KeyboardInterrupt):  # a third Ctrl-C: kill it at once
            worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(_KILLED)
        worker.orders.close()


def _work(answers: _Answers, make_mask: MakeMask, unexpected: Callable[[Exception], str]) -> None:
    """The main function of a process: masks what it is told to until it is told to stop, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt, sending = threading.Event(), threading.Lock()
    orders: queue.Queue[PlannedCopy | None] = queue.Queue(2)

    def listen() -> None:
        order: PlannedCopy | None = None
        while not listener.stopping.is_set():
            try:
                if not answers.poll(POLL):
                    continue
                order = answers.recv()
            except (EOFError, OSError):
                order = None
            if order is None:
                interrupt.set()
            orders.put(order, timeout=_PATIENCE)
            if order is None:
                return

    def send(answer: Result | _Warning) -> None:
        with sending, contextlib.suppress(OSError):  # nobody is there to hear it
            answers.send(answer)

    listener = OwnedThread("veilcast-orders", listen)
    listener.start()
    try:
        mask = make_mask(interrupt, lambda copy, text: send(_Warning(copy, text)))
        while True:
            try:
                order = orders.get(timeout=POLL)
            except queue.Empty:
                if not listener.alive:
                    return
                continue
            if order is None:
                return
            for result in run_all([order], mask, unexpected):
                send(result)
    finally:
        listener.close()
