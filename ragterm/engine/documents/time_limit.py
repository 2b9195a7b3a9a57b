"""How a parser asks for more time: work whose length is known (pages to recognise) may take longer than a document's limit.

A worker process tells its pool, which grants it up to a bound; elsewhere there is no limit to move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ASK: ContextVar[Callable[[float], None] | None] = ContextVar("more_time", default=None)


@contextmanager
def asking(ask: Callable[[float], None]) -> Iterator[None]:
    """`ask(seconds)` is called whenever a parser within needs so much more."""
    token = _ASK.set(ask)
    try:
        yield
    finally:
        _ASK.reset(token)


def more_time(seconds: float) -> None:
    ask = _ASK.get()
    if ask is not None:
        ask(seconds)
