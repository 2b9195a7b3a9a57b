"""Fetching a model from its hub: the app says what, how large and from where, and asks first. Nothing else in the app downloads.

A mixin of the app, so that `app.py` stays wiring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragterm.ui import messages

if TYPE_CHECKING:
    from textual.app import App

    from ragterm.ui.bridge import Bridge
    from ragterm.ui.widgets.bars import StatusBar

    _Base = App[None]
else:
    _Base = object


class Downloads(_Base):
    bridge: Bridge
    status: StatusBar

    if TYPE_CHECKING:

        def toast(
            self, text: str, *, title: str = "", severity: str = "information", timeout: float | None = None
        ) -> None: ...

    def action_download_reranker(self) -> None:
        self.run_worker(self._download_reranker(), group="download", exclusive=True, exit_on_error=False)

    async def _download_reranker(self) -> None:
        from ragterm.ui.screens.dialogs import ConfirmScreen

        if self.bridge.downloading:
            self.toast(f"{self.bridge.downloading} is on its way")
            return
        try:
            name, needed = await self.bridge.cross_encoder_to_download()
            if needed is None:
                self.toast(f"{name} is on this machine: the Inspector's r chooses between rerankers")
                return
            body = (
                f"A cross-encoder reads question and passage together and orders what was found better than their vectors can.\n\n"
                f"{needed.message[:1].upper()}{needed.message[1:]}. It is kept in the hub's own cache. "
                "Your documents and questions stay on this machine."
            )
            if not await self.push_screen_wait(ConfirmScreen(f"Download {name}?", body, yes="Download", no="Not now")):
                return
            await self.bridge.download(name)
        except Exception as error:  # noqa: BLE001 - the border of background work
            self.status.warming = ""
            self.post_message(messages.ErrorArose(error, "downloading the cross-encoder"))
            return
        self.status.warming = ""
        self.toast(f"{name} reranks from the next question on", title="Downloaded")
