"""Text and offsets grow together: a parser appends blocks and never has to look for one again.

Every piece is made canonical as it is appended, and its block's offsets are the length of the text before and after it.
"""

from __future__ import annotations

from ragterm.engine.documents.clean import canonical
from ragterm.engine.types.documents import Block, BlockKind, DocumentKind, ParsedDocument
from ragterm.engine.types.errors import ParseError

MAX_TEXT = 50_000_000
"""Characters of canonical text a document may have; a decompression bomb ends here, with a reason, before memory does."""


class Sections:
    """The path of headings above the place that is being written."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        self.path: tuple[str, ...] = ()

    def above(self, level: int) -> tuple[str, ...]:
        """The path above a heading of `level` (1 to 6)."""
        return tuple(title for at, title in self._open if at < level)

    def enter(self, level: int, title: str) -> None:
        self._open = [(at, above) for at, above in self._open if at < level]
        self._open.append((level, title))
        self.path = tuple(title for _, title in self._open)


class DocumentBuilder:
    """Appends blocks, two line ends between them. `sections` may be moved by the parser where headings come from elsewhere
    (a PDF's outline)."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.sections = Sections()
        self.warnings: list[str] = []
        self.length = 0
        self._pieces: list[str] = []

    def add(
        self, kind: BlockKind, text: str, *, page: int | None = None, level: int = 0, name: str = ""
    ) -> Block | None:
        """Append a block; an empty one is left out (None). A heading opens its section, called `name` where that is not its text.
        Raises ParseError past MAX_TEXT."""
        text = canonical(text)
        text = text.strip("\n").rstrip() if kind == "code" else text.strip()
        if not text:
            return None
        if self.length + len(text) > MAX_TEXT:
            raise ParseError(
                "Too much text",
                f"more than {MAX_TEXT // 1_000_000} million characters came out of this file",
                "split the file, or check that it is what it says it is",
            )
        if self._pieces:
            self._pieces.append("\n\n")
            self.length += 2
        start = self.length
        self._pieces.append(text)
        self.length += len(text)
        section = self.sections.above(level) if kind == "heading" else self.sections.path
        block = Block(kind, start, self.length, page, section, level if kind == "heading" else 0)
        self.blocks.append(block)
        if kind == "heading":
            self.sections.enter(level, name or " ".join(text.split()))
        return block

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def finish(
        self,
        *,
        title: str,
        kind: DocumentKind,
        parser: str,
        pages: int | None = None,
        metadata: dict[str, str] | None = None,
    ) -> ParsedDocument:
        return ParsedDocument(
            text=self.text,
            blocks=tuple(self.blocks),
            title=one_line(title),
            kind=kind,
            parser=parser,
            pages=pages,
            metadata={key: canonical(value) for key, value in (metadata or {}).items() if value},
            warnings=tuple(dict.fromkeys(canonical(warning) for warning in self.warnings)),
        )


def one_line(text: str, limit: int = 200) -> str:
    """A title: canonical, on one line, of bearable length."""
    text = " ".join(canonical(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
