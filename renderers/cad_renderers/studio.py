"""A thread of its own for a graphics context, which belongs to the thread that made it."""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

__all__ = ["Studio"]

T = TypeVar("T")
E = TypeVar("E")
_EXIT_S = 5.0


class Studio(Generic[E]):
    """Own one set of eyes (a context) and use them on one thread, in order; callers on any thread wait for their own.

    The eyes are made on first use, made again in a forked child, and closed on their own thread when the process ends:
    a context that dies on another thread makes drivers complain or crash.
    """

    def __init__(self, name: str, make: Callable[[], E], close: Callable[[E], None]) -> None:
        self._name, self._make, self._close = name, make, close
        self._lock = threading.Lock()
        self._pid = 0
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[E], Any]] | None] = queue.SimpleQueue()

    def run(self, work: Callable[[E], T]) -> T:
        """Call `work` with the eyes on the studio's thread and return or raise what it does."""
        with self._lock:
            if self._pid != os.getpid():
                self._work = queue.SimpleQueue()
                thread = threading.Thread(target=self._serve, args=(self._work,), name=self._name, daemon=True)
                thread.start()
                self._pid = os.getpid()
                atexit.register(self._end, self._work, thread, self._pid)
        future: Future[T] = Future()
        self._work.put((future, work))
        return future.result()

    def _serve(self, work: queue.SimpleQueue[tuple[Future[Any], Callable[[E], Any]] | None]) -> None:
        eyes: E | None = None
        while (item := work.get()) is not None:
            future, task = item
            try:
                if eyes is None:
                    eyes = self._make()
                future.set_result(task(eyes))
            except BaseException as error:  # whatever it is, it belongs to the caller
                future.set_exception(error)
            del future, task, item
        if eyes is not None:
            self._close(eyes)

    @staticmethod
    def _end(work: queue.SimpleQueue[Any], thread: threading.Thread, pid: int) -> None:
        if pid == os.getpid():
            work.put(None)
            thread.join(_EXIT_S)
