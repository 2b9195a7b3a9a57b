"""What can go wrong, written for the reader.

RagtermError                    title (what), message (why, where), hint (the next thing to type)
|- UsageError                   the call itself is wrong: exit code 2
|- ConfigError                  a setting is unknown or has a value that cannot be used: exit code 2
|- NotFoundError                a collection, document, trace or file that is not there
|- ParseError                   a document could not be read (carries the stage)
|- StoreError                   the collection on disk cannot be used
|- BusyError                    another process holds what is needed
|- ModelError                   weights are missing, damaged, or cannot be run
|- DownloadNeeded(ModelError)   the model is not on this machine; the user has not agreed to a download yet
|- OfflineError                 `offline = true` and a socket beyond loopback was needed
|- LlmError                     the language model cannot be reached, is missing, or broke off
'- Cancelled                    the user stopped it; nothing is wrong
"""

from __future__ import annotations


class RagtermError(Exception):
    """An error a person can act on.

    `title` names what failed in a few words, `message` says why and where, `hint` is the next thing to type.
    """

    exit_code = 1

    def __init__(self, title: str, message: str = "", hint: str = "") -> None:
        super().__init__(title, message, hint)
        self.title = title
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.title + (f": {self.message}" if self.message else "")


class UsageError(RagtermError):
    exit_code = 2


class ConfigError(RagtermError):
    exit_code = 2


class NotFoundError(RagtermError):
    pass


class ParseError(RagtermError):
    """A document could not be read. `stage` is "read", "parse" or "chunk"."""

    def __init__(self, title: str, message: str = "", hint: str = "", *, stage: str = "parse") -> None:
        super().__init__(title, message, hint)
        self.stage = stage

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross the border of worker processes: the default pickling would drop the keyword.
        return (_parse_error, (self.title, self.message, self.hint, self.stage))


_LOCKED = "Password protected"


def password_needed(*, wrong: bool = False) -> ParseError:
    """`wrong`: passwords were given, and none of them opens the file."""
    return ParseError(
        _LOCKED,
        "none of the passwords given opens it" if wrong else "the file opens only with a password",
        "give it: ragterm ingest --password ... PATH, or P in the Documents pane; "
        "or save a copy without one (qpdf --decrypt --password=... in.pdf out.pdf)",
    )


def wants_password(error: str) -> bool:
    """Whether a ledger's error is that of `password_needed`."""
    return error.startswith(_LOCKED)


def _parse_error(title: str, message: str, hint: str, stage: str) -> ParseError:
    return ParseError(title, message, hint, stage=stage)


class StoreError(RagtermError):
    pass


class BusyError(RagtermError):
    pass


class ModelError(RagtermError):
    pass


class DownloadNeeded(ModelError):
    """The model is not on this machine. `name`, `size_mb` (None when unknown) and `source` say what would be fetched."""

    def __init__(self, name: str, size_mb: float | None, source: str, hint: str = "") -> None:
        size = f"about {size_mb:.0f} MB" if size_mb is not None else "size unknown"
        super().__init__(f"{name} is not on this machine", f"it can be downloaded from {source} ({size})", hint)
        self.name = name
        self.size_mb = size_mb
        self.source = source


class OfflineError(RagtermError):
    pass


class LlmError(RagtermError):
    pass


class Cancelled(RagtermError):
    def __init__(self, title: str = "Cancelled", message: str = "", hint: str = "") -> None:
        super().__init__(title, message, hint)
