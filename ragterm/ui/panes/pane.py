"""What the four panes have in common: they listen to the bridge, and fetch from the engine without making the loop wait."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from textual.containers import Container

from ragterm.ui import messages
from ragterm.ui.bridge import Bridge

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Pane(Container):
    """A room of the app. `PURPOSE` is shown by the help panel; `scope` names its actions in `actions.ACTIONS`."""

    PURPOSE: ClassVar[str] = ""
    scope: ClassVar[str] = ""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(id=self.scope or None)
        self.bridge = bridge

    def _on_mount(self, event: Any) -> None:
        super()._on_mount(event)
        # A pane that is mounted while the app is leaving gets no children, or not all of them: it never comes to life.
        if self.children and self.app.return_code is None:
            self.built()
            self.bridge.listen(self)

    def built(self) -> None:
        """Called once, when the pane's widgets are there."""

    def fetch(
        self,
        request: Awaitable[T],
        then: Callable[[T], Any] | None = None,
        *,
        group: str = "fetch",
        otherwise: Callable[[Exception], Any] | None = None,
    ) -> None:
        """Await `request` (a coroutine of the bridge) in the background, then call `then(result)` in the loop.

        A newer fetch of the same `group` replaces the older. What fails goes to `otherwise`; without it the app shows it
        (`ErrorArose`)."""

        async def run() -> None:
            try:
                result = await request
            except Exception as error:  # the border of background work: the app shows it
                logger.warning("a request failed", exc_info=error)
                if otherwise is None:
                    self.post_message(messages.ErrorArose(error))
                elif self.is_attached:
                    otherwise(error)
                return
            if then is not None and self.is_attached:
                then(result)

        self.run_worker(run(), group=group, exclusive=True, exit_on_error=False)

    def focus_first(self) -> None:
        """Called when the pane is shown: put the focus where work begins. Overridden by the panes."""
        for widget in self.query("*"):
            if widget.focusable and widget.display:
                widget.focus()
                return
