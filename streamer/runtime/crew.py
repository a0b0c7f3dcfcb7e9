"""Several processes that do orders, one at a time each: they start once, and one that dies costs one order."""

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
from typing import Any, Generic, TypeVar

from core.owned_thread import POLL, OwnedThread

Order = TypeVar("Order")
Answer = TypeVar("Answer")
Word = TypeVar("Word")

_PATIENCE = 30.0  # seconds in which a process that is told to stop ends: at most one picture, or some frames
_KILLED = 5.0


@dataclass(frozen=True, slots=True)
class Done(Generic[Order, Answer]):
    """An order that was done, and what came of it."""

    order: Order
    answer: Answer


@dataclass(frozen=True, slots=True)
class Undone(Generic[Order]):
    """An order that was not done: its process was ended with this exit code, or, if that is None, all were stopped."""

    order: Order
    exit_code: int | None = None


Work = Callable[[Order], Answer]
MakeWork = Callable[[threading.Event, Callable[[Word], None]], Work[Order, Answer]]
"""Makes what does one order, in the process that does it: from the event that stops it, and what passes words on."""


@dataclass(frozen=True, slots=True)
class _Word(Generic[Word]):
    word: Word


@dataclass(slots=True, eq=False)
class _Worker(Generic[Order]):
    process: SpawnProcess
    # Through it go an order or None, and back an answer in a list, or a `_Word`.
    pipe: Connection[Any, Any]
    order: Order | None = None


def run_in_crew(
    orders: Sequence[Order],
    size: int,
    make_work: MakeWork[Word, Order, Answer],
    *,
    hear: Callable[[Word], None],
    interrupt: threading.Event,
    name: str,
) -> Iterator[Done[Order, Answer] | Undone[Order]]:
    """Do `orders` in `size` processes; they come out as they are ready, each once.

    `make_work` is pickled. Once `interrupt` is set, or after KeyboardInterrupt, every process stops, and what it has
    not completed comes out as undone. Leaving early stops them, too. `hear` gets the words of all processes.
    """
    waiting = deque(orders)
    workers: list[_Worker[Order]] = []
    try:
        while (waiting and not interrupt.is_set()) or any(worker.order is not None for worker in workers):
            if interrupt.is_set():
                for worker in workers:
                    _send(worker, None)
            else:
                while waiting and len(workers) < size:
                    workers.append(_started(make_work, name))
                for worker in workers:
                    if worker.order is None and waiting:
                        worker.order = waiting.popleft()
                        _send(worker, worker.order)
            ready = wait([worker.pipe for worker in workers], POLL)
            for worker in [worker for worker in workers if worker.pipe in ready]:
                heard = _heard(worker)
                if isinstance(heard, _Word):
                    hear(heard.word)
                    continue
                order, worker.order = worker.order, None
                if heard is None:
                    workers.remove(worker)
                    worker.process.join(_KILLED)
                    worker.pipe.close()
                    if order is not None:
                        yield Undone(order, None if interrupt.is_set() else worker.process.exitcode)
                elif order is not None:
                    yield Done(order, heard[0])
    except KeyboardInterrupt:
        interrupt.set()
        waiting.extendleft(worker.order for worker in workers if worker.order is not None)
    finally:
        _stop(workers)
    yield from (Undone(order) for order in waiting)


def _started(make_work: MakeWork[Word, Order, Answer], name: str) -> _Worker[Order]:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, make_work), name=name, daemon=True)
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


def _send(worker: _Worker[Order], order: Order | None) -> None:
    with contextlib.suppress(OSError):  # it has died: the next answer says so
        worker.pipe.send(order)


def _heard(worker: _Worker[Order]) -> Any:  # noqa: ANN401 - whatever the work answers
    """What the process says; None if it has died."""
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        return None


def _stop(workers: Sequence[_Worker[Order]]) -> None:
    deadline = time.monotonic() + _PATIENCE
    for worker in workers:
        _send(worker, None)
    for worker in workers:
        with contextlib.suppress(KeyboardInterrupt):  # a third Ctrl-C: kill it at once
            worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(_KILLED)
        worker.pipe.close()


def _work(pipe: Connection[Any, Any], make_work: MakeWork[Word, Order, Answer]) -> None:
    """The main function of a process: does what it is told to until it is told to stop, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt, sending = threading.Event(), threading.Lock()
    orders: queue.Queue[Order | None] = queue.Queue(2)

    def listen() -> None:
        order: Order | None = None
        while not listener.stopping.is_set():
            try:
                if not pipe.poll(POLL):
                    continue
                order = pipe.recv()
            except (EOFError, OSError):
                order = None
            if order is None:
                interrupt.set()
            orders.put(order, timeout=_PATIENCE)
            if order is None:
                return

    def send(what: object) -> None:
        with sending, contextlib.suppress(OSError):  # nobody is there to hear it
            pipe.send(what)

    listener = OwnedThread("veilcast-orders", listen)
    listener.start()
    try:
        work = make_work(interrupt, lambda word: send(_Word(word)))
        while True:
            try:
                order = orders.get(timeout=POLL)
            except queue.Empty:
                if not listener.alive:
                    return
                continue
            if order is None:
                return
            send([work(order)])
    finally:
        listener.close()
