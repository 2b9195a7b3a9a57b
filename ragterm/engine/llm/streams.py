"""A blocking HTTP stream that can be abandoned at once.

Reading blocks: until the first token while a model is loaded, and between tokens. So a thread reads, and the caller
waits on a queue where it also sees that it was cancelled. Closing a socket does not wake a `recv` in another thread,
nor does it tell the server while that `recv` holds it; `shutdown` does both. httpx shows the socket of a request
through its trace extension, before any response.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled

T = TypeVar("T")
_CANCEL_POLL_SECONDS = 0.03


class Connection:
    """The sockets of one httpx client. Pass `event_hooks={"request": [connection.watch]}` to the client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.abandoned = False

    def watch(self, request: Any) -> None:
        """httpx request hook."""
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        found = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.append(found)
            late = self.abandoned
        if late:
            _shut(found)

    def abandon(self) -> None:
        """End every request under way. Safe from any thread, more than once."""
        with self._lock:
            self.abandoned = True
            sockets = list(self._sockets)
        for each in sockets:
            _shut(each)


def _shut(found: socket.socket) -> None:
    with contextlib.suppress(OSError):  # already closed by either side
        found.shutdown(socket.SHUT_RDWR)


def read_while_wanted(source: Callable[[], Iterable[T]], control: Control, connection: Connection) -> Iterator[T]:
    """What `source()` yields, read in a thread of its own. Errors of the source are raised here.

    Raises Cancelled within some hundredths of a second of `control.cancel()`, the server's side of the connection
    closed; the same happens when the caller stops iterating.
    """
    items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        try:
            for item in source():
                items.put(("item", item))
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread, whatever it is
            items.put(("error", error))
        else:
            items.put(("end", None))

    threading.Thread(target=read, name="llm-stream", daemon=True).start()
    try:
        while True:
            control.checkpoint()
            try:
                kind, value = items.get(timeout=_CANCEL_POLL_SECONDS)
            except queue.Empty:
                continue
            if kind == "item":
                yield value
            elif kind == "end":
                return
            elif control.cancelled:
                raise Cancelled
            else:
                raise value
    finally:
        connection.abandon()
