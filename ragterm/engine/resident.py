"""The models that stay loaded: one embedder and one reranker of a kind per process, loaded by the first who needs them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ragterm.engine.types.errors import DownloadNeeded, RagtermError, UsageError
from ragterm.engine.types.settings import Settings

if TYPE_CHECKING:
    from ragterm.engine.types.protocols import Embedder, Reranker

LATE_INTERACTION = "late-interaction"
CROSS_ENCODER = "cross-encoder"
NO_RERANKER = "none"


@runtime_checkable
class Loadable(Protocol):
    """A model that reads its weights at the first use, or when told to."""

    def load(self) -> None: ...


class ResidentModels:
    """Loads models once, whoever asks first; the others wait. Safe from any thread."""

    def __init__(self, settings: Settings, cache: Path) -> None:
        self.settings = settings
        self.cache = cache
        self._embedder: Embedder | None = None
        self._rerankers: dict[str, Reranker] = {}
        self._loading = threading.RLock()
        self._beginning = threading.Lock()
        self._begun = False

    def embedder(self, progress: Callable[[str], None] | None = None) -> Embedder:
        """Raises ModelError, DownloadNeeded, OfflineError. The first call may export the model, which `progress` tells."""
        with self._loading:
            if self._embedder is None:
                from ragterm.engine.models.embedder import load_embedder

                offline = self.settings.privacy.offline
                self._embedder = load_embedder(self.settings.embedding, self.cache, offline=offline, progress=progress)
            return self._embedder

    def begin_loading(self) -> None:
        """Load the embedder and its graph in a thread of its own, while the caller opens what else a question needs. What goes wrong is
        raised by `embedder`."""
        with self._beginning:
            if self._begun:
                return
            self._begun = True
        # Here, and not in both threads: each would wait for a part that the other is importing, and go on with half of it.
        import numpy  # noqa: F401

        threading.Thread(target=self._load, name="load-embedder", daemon=True).start()

    def _load(self) -> None:
        with self._loading, contextlib.suppress(RagtermError):
            embedder = self.embedder()
            if isinstance(embedder, Loadable):
                embedder.load()

    def resolve_reranker(self, name: str) -> str:
        """ "auto" and short names made whole: the cross-encoder's checkpoint where it is on this machine, else late interaction."""
        if name == "auto":
            return CROSS_ENCODER if self._cross_encoder_here() else LATE_INTERACTION
        return name

    def reranker(self, name: str) -> Reranker | None:
        """None for "none". Raises DownloadNeeded for a checkpoint that is not on this machine, UsageError for an unknown name."""
        name = self.resolve_reranker(name)
        if name == NO_RERANKER:
            return None
        with self._loading:
            if name not in self._rerankers:
                self._rerankers[name] = self._load_reranker(name)
            return self._rerankers[name]

    def usable_rerankers(self) -> list[str]:
        """The names that work on this machine now, best first."""
        here = [CROSS_ENCODER] if self._cross_encoder_here() else []
        return [*here, LATE_INTERACTION, NO_RERANKER]

    def _cross_encoder_here(self) -> bool:
        from ragterm.engine.models.rerankers import cross_encoder_present

        return cross_encoder_present(self.settings.search.cross_encoder, self.cache)

    def _load_reranker(self, name: str) -> Reranker:
        from ragterm.engine.models.rerankers import LateInteraction, load_cross_encoder

        if name == LATE_INTERACTION:
            return LateInteraction(self.embedder())
        checkpoint = self.settings.search.cross_encoder if name == CROSS_ENCODER else name
        if name != CROSS_ENCODER and "/" not in name and not Path(name).exists():
            known = ", ".join((LATE_INTERACTION, CROSS_ENCODER, NO_RERANKER))
            raise UsageError("No such reranker", name, f"one of {known}, or the name of a cross-encoder checkpoint")
        try:
            return load_cross_encoder(checkpoint, self.cache, self.settings.privacy.offline)
        except DownloadNeeded as error:
            hint = f"ragterm config download {checkpoint}, or --rerank {LATE_INTERACTION}, which needs nothing more"
            raise DownloadNeeded(error.name, error.size_mb, error.source, hint) from error
