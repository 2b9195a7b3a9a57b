"""Passwords that a person gave for the files being read. They live in memory only: no file, log, job or message holds one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_OFFERED: ContextVar[tuple[str, ...]] = ContextVar("passwords", default=())


@contextmanager
def offering(passwords: Sequence[str]) -> Iterator[None]:
    """Parsers that meet a locked file within try these."""
    token = _OFFERED.set(tuple(passwords))
    try:
        yield
    finally:
        _OFFERED.reset(token)


def offered() -> tuple[str, ...]:
    return _OFFERED.get()
