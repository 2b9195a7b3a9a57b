"""Documents, blocks and chunks: what the parsers yield and what retrieval works on.

Every offset is a Python string offset into a document's canonical text: LF line ends, no BOM, no control characters
but newline and tab, no Unicode normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "quote", "caption", "footnote", "metadata"]
DocumentKind = Literal[
    "markdown", "text", "pdf", "html", "docx", "code",
    "pptx", "xlsx", "csv", "epub", "odt", "rtf", "email", "notebook", "json", "subtitles", "rst", "asciidoc", "latex", "org",
    "archive",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """A structural unit `text[start:end]`. Blocks are in reading order and do not overlap.

    `page` is 1-based (None where the format has no pages); `section` is the path of headings above the block, outermost
    first, the heading itself excluded for a heading block; `level` is 1 to 6 for headings, else 0.
    """

    kind: BlockKind
    start: int
    end: int
    page: int | None = None
    section: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside another one. `name` is its path in there, made harmless; `skipped` says why it is not read, and is "" for one
    whose bytes were unpacked."""

    name: str
    size: int
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser yields for one source: canonical text plus structure. Crosses process borders. `members` are the documents
    that it holds, for an e-mail or an archive."""

    text: str
    blocks: tuple[Block, ...]
    title: str
    kind: DocumentKind
    parser: str
    pages: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One source in a collection. `id` is derived from the path and survives re-ingestion; `content_hash` is SHA-256 (hex)
    of the source's bytes and names the version."""

    id: str
    path: str
    title: str
    kind: DocumentKind
    content_hash: str
    text: str
    blocks: tuple[Block, ...]
    pages: int | None = None
    parser: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


_FOR_OCR = "for OCR:"


def waiting_for_ocr(count: int, pages: str) -> str:
    """How a warning or an error says that these pages are read once text recognition is installed."""
    return f"{count} page{' waits' if count == 1 else 's wait'} {_FOR_OCR} {pages}"


def waits_for_ocr(*messages: str) -> bool:
    """Whether one of a document's warnings, or its error, says so."""
    return any(_FOR_OCR in message for message in messages)


DocumentState = Literal["indexed", "failed", "duplicate", "skipped"]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as lists show it, without its text. For `failed` and `skipped`, `error` and `hint` say why; for
    `duplicate`, `duplicate_of` is the id of the indexed one."""

    id: str
    path: str
    title: str
    kind: str
    pages: int | None
    chunks: int
    state: DocumentState
    warnings: tuple[str, ...] = ()
    size: int = 0
    ingested_at: str = ""
    stage: str = ""
    error: str = ""
    hint: str = ""
    duplicate_of: str = ""
    seconds: float = 0.0
    parser: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document that gets one embedding: `text == document.text[start:end]`, always.

    `key` is the store's integer key, shared by the dense and the keyword index (0 before it is stored). `context` (title,
    headings, a table's repeated header; at most 64 tokens) goes before the text for the model and the keyword index and is
    no part of the span. `tokens` counts the word pieces of `embedding_text`, the model's special tokens included.

    A chunk of a hierarchical chunking is matched in its parent's stead: `parent` is the span `[start, end)` of the document's text
    that a language model is handed for it, `parent_id` names that span, equal for all its children. Both are None elsewhere.
    """

    id: str
    document_id: str
    build_id: str
    ordinal: int
    start: int
    end: int
    text: str
    context: str = ""
    page: int | None = None
    section: tuple[str, ...] = ()
    tokens: int = 0
    parent_id: str | None = None
    key: int = 0
    parent: tuple[int, int] | None = None

    @property
    def embedding_text(self) -> str:
        """What the embedding model and the keyword index see."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection as lists show it. `model` is the live build's embedding model id; `bytes_on_disk` covers store and indexes."""

    name: str
    path: str
    documents: int
    failed: int
    chunks: int
    model: str
    build_id: str
    generation: int
    bytes_on_disk: int
    hidden: bool = False
