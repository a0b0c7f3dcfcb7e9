from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from core.owned_thread import OwnedThread

WAIT = 10.0


def test_runs_under_its_name_until_it_is_stopped() -> None:
    names: list[str] = []
    running = threading.Event()

    def work() -> None:
        names.append(threading.current_thread().name)
        running.set()
        assert thread.stopping.wait(WAIT)

    thread = OwnedThread("veilcast-test", work)
    thread.start()
    assert running.wait(WAIT) and thread.alive
    assert thread.close(WAIT) and not thread.alive
    assert names == ["veilcast-test"] and thread.error is None


@pytest.mark.parametrize("dies", [True, False])
def test_what_an_ended_thread_worked_with_is_let_go_of_at_once(dies: bool) -> None:
    class Network:
        pass

    class Owner:
        def __init__(self) -> None:
            self.thread = OwnedThread("veilcast-test", self.work)

        def work(self) -> None:
            network = Network()
            held.append(weakref.ref(network))

            def look() -> None:
                assert network
                if dies:
                    raise SystemExit

            look()

    held: list[weakref.ref[object]] = []
    gc.collect()
    gc.disable()
    try:
        owner = Owner()
        held.append(weakref.ref(owner))
        owner.thread.start()
        assert owner.thread.close(WAIT)
        assert isinstance(owner.thread.error, SystemExit) == dies
        del owner
        assert [ref() for ref in held] == [None, None]
    finally:
        gc.enable()


def test_what_it_raises_is_kept_for_the_owner() -> None:
    error = ValueError("no")

    def work() -> None:
        raise error

    thread = OwnedThread("veilcast-test", work)
    thread.start()
    assert thread.close(WAIT)
    assert thread.error is error


def test_close_says_that_the_work_hangs() -> None:
    go = threading.Event()
    thread = OwnedThread("veilcast-test", lambda: assert_true(go.wait(WAIT)))
    thread.start()
    assert not thread.close(0.01)
    go.set()
    assert thread.close(WAIT)


def assert_true(value: bool) -> None:
    assert value


def test_close_without_start_and_twice() -> None:
    never = OwnedThread("veilcast-test", lambda: None)
    assert never.close(WAIT) and never.close(WAIT)


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    thread = OwnedThread("veilcast-test", lambda: None)
    with pytest.raises(RuntimeError):
        thread.start()
    assert thread.close(WAIT)


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_an_interrupt_during_start_leaves_it_to_the_exit(late: float) -> None:
    """Nobody owns the thread then, and it may not even have begun; yet it must not outlive the interpreter."""
    program = f"""
import atexit, threading, time
from core.owned_thread import OwnedThread

def say_what_is_left():
    print([thread.name for thread in threading.enumerate() if thread.name.startswith("veilcast")])

def interrupted(thread):
    starter = threading.Thread(target=lambda: (time.sleep({late}), real(thread)), daemon=True)
    real(starter)
    if not {late}:
        starter.join()
    raise KeyboardInterrupt

def work():
    while not owned.stopping.wait(0.2):
        pass

atexit.register(say_what_is_left)  # runs last: the first to register
real, threading.Thread.start = threading.Thread.start, interrupted
owned = OwnedThread("veilcast-test", work)
try:
    owned.start()
except KeyboardInterrupt:
    pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
