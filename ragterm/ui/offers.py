"""What the app asks before it acts: paths that were dropped, an ingest that was interrupted, quitting in the
middle of one.

A mixin of the app, so that `app.py` stays wiring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import events

from ragterm.engine.types.errors import RagtermError
from ragterm.ui import messages
from ragterm.ui.drops import dropped_paths, might_be_paths, typed_paths

if TYPE_CHECKING:
    from textual.app import App

    from ragterm.engine.types.ingesting import Survey
    from ragterm.ui.bridge import Bridge

    _Base = App[None]
else:
    _Base = object


class Offers(_Base):
    bridge: Bridge
    collection_names: tuple[str, ...]
    _offering = False

    def toast(self, text: str, *, title: str = "", severity: str = "information", timeout: float | None = None) -> None:
        raise NotImplementedError

    # --- Paths ----------------------------------------------------------------------------------------------------------------

    async def intercept_paste(self, event: events.Paste) -> bool:
        """True when the paste was a drop and has been taken care of. The disk is asked in a thread; keys typed meanwhile wait."""
        if self._offering or not might_be_paths(event.text):
            return False
        paths = await asyncio.to_thread(dropped_paths, event.text)
        if not paths:
            return False
        self.offer_paths(paths)
        return True

    def offer_paths(self, paths: Sequence[str], *, ask: bool = True) -> None:
        """Survey these paths, say what was found, ask once, ingest."""
        if self._offering:
            return
        self._offering = True
        self.run_worker(self._offer(list(paths), ask), group="offer", exit_on_error=False)

    async def _offer(self, paths: list[str], ask: bool) -> None:
        from ragterm.ui.screens.drop import DropScreen, headline

        try:
            looking = asyncio.get_running_loop().call_later(
                0.4, lambda: self.toast("Looking through what was dropped…", timeout=3)
            )
            try:
                survey: Survey = await self.bridge.survey(paths)
            finally:
                looking.cancel()
            name: str | None = self.bridge.collection
            if ask or not survey.files:
                name = await self.push_screen_wait(DropScreen(survey, self.collection_names, self.bridge.collection))
            if name and survey.files:
                if name != self.bridge.collection:
                    if name not in self.collection_names:
                        await self.bridge.create_collection(name)
                    self.bridge.switch_collection(name)
                self.bridge.ingest(paths, name)
                self.toast(headline(survey), title=f"Ingesting into {name}")
                self.post_message(messages.PaneRequested("documents"))
        except Exception as error:  # noqa: BLE001 - the border of background work
            self.post_message(messages.ErrorArose(error, "reading what was dropped"))
        finally:
            self._offering = False

    def action_add_paths(self) -> None:
        from ragterm.ui.screens.dialogs import TextScreen

        def check(text: str) -> str:
            return "" if typed_paths(text) else "there is no such file or folder here"

        def typed(text: str | None) -> None:
            if text:
                self.offer_paths(typed_paths(text))

        self.push_screen(
            TextScreen(
                "Add files or folders",
                "Type or paste a path, or several. ~ is your home folder.",
                placeholder="~/Documents/contracts",
                check=check,
            ),
            typed,
        )

    # --- An interrupted ingest ---------------------------------------------------------------------------------------------------

    def offer_resume(self) -> None:
        self.run_worker(self._offer_resume(), group="resume", exit_on_error=False)

    async def _offer_resume(self) -> None:
        from ragterm.ui.screens.dialogs import ConfirmScreen

        try:
            for collection in [one.name for one in await self.bridge.collections()]:
                waiting = await self.bridge.unfinished(collection)
                if not waiting or self.bridge.ingesting:
                    continue
                files = "1 file waits" if waiting == 1 else f"{waiting:,} files wait"
                body = (
                    f"An ingest into {collection} was interrupted: {files} to be read. What is indexed already is safe."
                )
                if (
                    await self.push_screen_wait(ConfirmScreen("Resume the ingest?", body, yes="Resume", no="Later"))
                    and not self.bridge.ingesting
                ):
                    if collection != self.bridge.collection:
                        self.bridge.switch_collection(collection)
                    self.bridge.resume_interrupted(collection)
                    self.post_message(messages.PaneRequested("documents"))
                return
        except RagtermError as error:
            self.post_message(messages.ErrorArose(error, "looking for an interrupted ingest"))

    # --- Quitting ------------------------------------------------------------------------------------------------------------------

    def action_request_quit(self) -> None:
        if not self.bridge.ingesting:
            self.exit()
            return
        from ragterm.ui.screens.dialogs import ConfirmScreen

        if isinstance(self.screen, ConfirmScreen):
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.exit()

        body = "An ingest is under way. Quitting stops it between two files; it can be resumed at the next start."
        self.push_screen(ConfirmScreen("Quit?", body, yes="Quit", no="Stay"), answered)

    # --- Forgetting ----------------------------------------------------------------------------------------------------------------

    def action_delete_data(self, what: str) -> None:
        self.run_worker(self._delete_data(what), group="delete", exclusive=True, exit_on_error=False)

    async def _delete_data(self, what: str) -> None:
        from ragterm.ui.screens.dialogs import ConfirmScreen

        body = {
            "traces": "Every question asked so far, with what was found and answered, in every collection. The documents stay.",
            "caches": "The exported models. They are made again when they are needed, which takes a minute.",
            "everything": "Every collection with its documents, index, traces and chats, and the caches. Your own files stay.",
        }[what]
        if not await self.push_screen_wait(
            ConfirmScreen(f"Delete {what}?", body, yes="Delete", no="Keep", danger=True)
        ):
            return
        try:
            self.toast(await self.bridge.delete_data(what), title="Deleted")
        except Exception as error:  # noqa: BLE001 - the border of background work
            self.post_message(messages.ErrorArose(error, f"deleting {what}"))

    # --- Checks ----------------------------------------------------------------------------------------------------------------------

    def action_checkup(self) -> None:
        self.run_worker(self._checkup(), group="checkup", exclusive=True, exit_on_error=False)

    async def _checkup(self) -> None:
        from ragterm.ui.screens.report import ReportScreen

        try:
            checks: list[Any] = await self.bridge.doctor()
        except Exception as error:  # noqa: BLE001 - the border of background work
            self.post_message(messages.ErrorArose(error, "checking"))
            return
        self.push_screen(ReportScreen("Doctor", checks))

    def wrong_collection_name(self, name: str) -> str:
        """What is wrong with a name for a new collection, for the dialog."""
        return "there is a collection of this name" if name.strip() in self.collection_names else ""
