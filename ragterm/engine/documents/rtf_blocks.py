"""From RTF's paragraphs to blocks: headings, lists, rows of tables."""

from __future__ import annotations

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.tables import table_text


class RtfBlocks:
    """Collects the text of a paragraph and writes it as what its properties say it is."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.marker = ""
        """What stands before the paragraph that is being read: a bullet or a number of a list."""
        self._builder = builder
        self._styles: dict[int, tuple[str, int]] = {}
        self._text: list[str] = []
        self._list: list[str] = []
        self._cell: list[str] = []
        self._row: list[str] = []
        self._rows: list[list[str]] = []
        self._style = 0
        self._level = 0
        self._indent = 0
        self._in_list = False
        self._in_table = False

    def add_style(self, number: int, name: str, level: int) -> None:
        self._styles[number] = (name.lower(), min(level, 6))

    def write(self, text: str) -> None:
        self._text.append(text)

    def control(self, word: str, number: int | None) -> None:
        """A control word that says something of the paragraph, or ends a cell or a row."""
        match word:
            case "pard":
                self._style = self._level = self._indent = 0
                self._in_list = self._in_table = False
            case "s":
                self._style = number or 0
            case "outlinelevel":
                self._level = (number or 0) + 1 if (number or 0) < 9 else 0
            case "ls":
                self._in_list = bool(number)
            case "ilvl":
                self._indent = min(max(number or 0, 0), 8)
            case "intbl":
                self._in_table = True
            case "nestcell" | "nestrow":
                self._cell.append(self._take())
            case "cell":
                self._end_cell()
            case "row":
                self._end_row()

    def paragraph(self) -> None:
        if self._in_table:
            self._cell.append(self._take())
            return
        text, marker, self.marker = self._take(), self.marker, ""
        if not text.strip():
            return
        self._end_table()
        name, level = self._styles.get(self._style, ("", 0))
        level = self._level or level
        if level and len(text) <= 300:
            self._end_list()
            self._builder.add("heading", " ".join(text.split()), level=min(level, 6))
        elif marker or self._in_list:
            mark = marker if any(c.isalnum() for c in marker) and len(marker) < 12 else "-"
            indent = "  " * self._indent
            lines = [line.strip() for line in text.strip().split("\n")]
            self._list.append(f"{indent}{mark} {lines[0]}")
            self._list += [f"{indent}{' ' * (len(mark) + 1)}{line}" for line in lines[1:]]
        else:
            self._end_list()
            self._builder.add("caption" if name == "caption" else "quote" if "quote" in name else "paragraph", text)

    def end(self) -> None:
        self._in_table = False
        if self._row or self._cell:
            self._end_row()
        self.paragraph()
        self._end_table()
        self._end_list()

    def _take(self) -> str:
        """The text since the last paragraph; pairs of surrogates become the characters that they stand for."""
        text = "".join(self._text)
        self._text.clear()
        if any("\ud800" <= c <= "\udfff" for c in text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def _end_cell(self) -> None:
        self._cell.append(self._take())
        self._row.append(" ".join(" ".join(self._cell).split()))
        self._cell.clear()
        self.marker = ""

    def _end_row(self) -> None:
        rest = self._take()
        if rest.strip() or any(map(str.strip, self._cell)):
            self._cell.append(rest)
            self._row.append(" ".join(" ".join(self._cell).split()))
        self._cell.clear()
        if self._row:
            self._end_list()
            self._rows.append(self._row)
            self._row = []

    def _end_table(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            if max(map(len, rows)) == 1:  # a frame around text
                for row in rows:
                    self._builder.add("paragraph", row[0])
                return
            self._builder.add("table", table_text(rows))

    def _end_list(self) -> None:
        if self._list:
            self._builder.add("list", "\n".join(self._list))
            self._list = []
