"""What the bridge does about models that are not on this machine. A part of `Bridge`, which inherits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ragterm.ui import messages

if TYPE_CHECKING:
    from ragterm.engine.types.errors import DownloadNeeded

T = TypeVar("T")


class DownloadRequests:
    downloading = ""
    """The model that is being fetched, "" when none is."""

    if TYPE_CHECKING:

        async def call(self, work: Callable[[Any], T]) -> T: ...
        def publish(self, news: messages.News) -> None: ...

    async def cross_encoder_to_download(self) -> tuple[str, DownloadNeeded | None]:
        """The cross-encoder of the settings, and what fetching it would mean; None when it is here. Raises OfflineError."""

        def ask(engine: Any) -> tuple[str, DownloadNeeded | None]:
            name = engine.settings.search.cross_encoder
            return name, engine.model_to_download(name)

        return await self.call(ask)

    async def download(self, name: str) -> None:
        """Fetch it: only after the user has agreed. `WarmingProgressed` says what goes on, `ModelFetched` follows. Raises
        OfflineError, ModelError."""
        self.downloading = name
        try:
            await self.call(
                lambda engine: engine.download_model(name, lambda text: self.publish(messages.WarmingProgressed(text)))
            )
        finally:
            self.downloading = ""
        self.publish(messages.ModelFetched(name))
