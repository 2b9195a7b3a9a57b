"""The teaching mode: a search on ten points; the reader predicts each step, and is told why that was right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen

from ragterm.engine.types.lessons import ONWARD
from ragterm.ui.actions import bindings
from ragterm.ui.screens.dialogs import dialog_css
from ragterm.ui.widgets.line_view import Line, LineView, blank_line, spot, styled
from ragterm.ui.widgets.plane import PlaneView

if TYPE_CHECKING:
    from ragterm.engine.types.lessons import Decision, Lesson

MUTED = "$text-muted"
KEY = "$text-accent"


class Play:
    """How far the reader is in a lesson. A wrong prediction may be followed by another; only the first try counts."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.at = 0
        """The decision that is open; past the last one the lesson is over."""
        self.right = 0
        """Decisions predicted at the first try."""
        self.verdict = ""
        self.was_right = False
        self._tried = False

    @property
    def decision(self) -> Decision | None:
        return self.lesson.decisions[self.at] if self.at < len(self.lesson.decisions) else None

    @property
    def step(self) -> int:
        """The last step that is shown."""
        return self.decision.after if self.decision is not None else len(self.lesson.walk.steps) - 1

    @property
    def since(self) -> int:
        """The first of the steps that the last right prediction led to."""
        return self.lesson.decisions[self.at - 1].after + 1 if self.at else 0

    def predict(self, choice: int) -> None:
        if (decision := self.decision) is None or choice not in decision.verdicts:
            return
        self.verdict, self.was_right = decision.verdicts[choice], choice == decision.answer
        if self.was_right:
            self.right += not self._tried
            self.at += 1
        self._tried = not self.was_right

    def tell(self) -> None:
        """Take the next step without a prediction of the reader's."""
        if self.decision is not None:
            self._tried = True
            self.predict(self.decision.answer)
            self.verdict = self.verdict.replace("Right: ", "Told: ", 1)


class Story(LineView):
    """What has happened, the question, the verdict, and what can be pressed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.play: Play | None = None
        self.last = False

    def show(self, play: Play, last: bool) -> None:
        self.play, self.last = play, last
        self.relayout()
        self.scroll_to(y=0, animate=False)

    def make_lines(self, width: int) -> list[Line]:
        if self.play is None:
            return []
        play, lesson = self.play, self.play.lesson
        parts: list[Content] = [
            Content.assemble(
                styled(lesson.title, "bold $text-accent"),
                styled(f" · query ({lesson.query[0]:g}, {lesson.query[1]:g}) · ef {lesson.walk.ef} on layer 0", MUTED),
            ),
        ]
        if play.verdict:
            mark, tone = ("✓ ", "$text-success") if play.was_right else ("✗ ", "$text-error")
            parts += [Content(""), styled(mark + play.verdict, tone)]
        parts.append(Content(""))
        parts += [styled(text, "") for text in lesson.narration[play.since : play.step + 1]]
        parts.append(Content(""))
        if (decision := play.decision) is not None:
            level = lesson.walk.steps[decision.after].level
            onward = f"down to layer {level - 1}" if level else "the search ends"
            parts += [
                styled(f"Layer {level}: which point is expanded next?", "bold"),
                Content.assemble(styled("0", KEY), "–", styled("9", KEY), styled(" or a click: that point", MUTED)),
                _pressed("d", f"none: {onward}", "onward"),
                _pressed("space", "tell me", "tell"),
            ]
        else:
            parts += [styled(lesson.moral, "$text-success"), Content("")]
            parts.append(styled(f"{play.right} of {len(lesson.decisions)} predicted at the first try.", "bold"))
            parts.append(_pressed("r", "once more", "again"))
            parts.append(_pressed("n", "close" if self.last else "next exercise", "next"))
        return [Line(one) if part else blank_line() for part in parts for one in (part.wrap(width) if part else [part])]


def _pressed(key: str, label: str, name: str) -> Content:
    return Content.assemble(styled(key, KEY, spot(name)), styled(f" {label}", "", spot(name)))


class LessonScreen(ModalScreen[None]):
    DEFAULT_CSS = (
        dialog_css("LessonScreen")
        + """
    LessonScreen > .dialog { width: 140; height: 94%; max-height: 46; padding: 0 1; }
    LessonScreen #field { height: 1fr; }
    LessonScreen Story { width: 36; height: 1fr; padding: 0 0 0 1; border-left: solid $border-blurred; }
    LessonScreen.-roomy Story { width: 52; }
    """
    )
    BINDINGS: ClassVar[list[Any]] = bindings("lesson")

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        super().__init__()
        self.lessons = tuple(lessons)
        self.number = 0
        self.play = Play(self.lessons[0])

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("How the graph is searched: ten points to predict")
            dialog.border_subtitle = Content("0-9 point · d none · space tell · r again · n next · Esc closes")
            with Horizontal(id="field"):
                yield PlaneView(id="plane")
                yield Story(id="story")

    def on_mount(self) -> None:
        self.query_one(Story).focus()
        self.show()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 110, "-roomy")

    def show(self) -> None:
        self.query_one(PlaneView).show(self.play.lesson, self.play.step)
        self.query_one(Story).show(self.play, self.number == len(self.lessons) - 1)

    def action_predict(self, choice: int) -> None:
        self.play.predict(choice)
        self.show()

    def action_onward(self) -> None:
        if self.play.decision is None:
            self.action_exercise(1)
        else:
            self.action_predict(ONWARD)

    def action_tell(self) -> None:
        self.play.tell()
        self.show()

    def action_again(self) -> None:
        self.play = Play(self.play.lesson)
        self.show()

    def action_exercise(self, by: int) -> None:
        """The next exercise (or the one before); after the last one there is nothing left to do here."""
        if self.number + by >= len(self.lessons):
            self.dismiss(None)
            return
        self.number = max(0, self.number + by)
        self.play = Play(self.lessons[self.number])
        self.show()

    def action_close(self) -> None:
        self.dismiss(None)

    @on(PlaneView.Chosen)
    def _point_chosen(self, message: PlaneView.Chosen) -> None:
        self.action_predict(message.node)

    @on(LineView.SpotChosen, "#story")
    def _spot_chosen(self, message: LineView.SpotChosen) -> None:
        if message.name == "onward":
            self.action_onward()
        elif message.name == "tell":
            self.action_tell()
        elif message.name == "again":
            self.action_again()
        elif message.name == "next":
            self.action_exercise(1)
