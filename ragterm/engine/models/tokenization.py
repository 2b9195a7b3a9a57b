"""The embedding model's own tokens, by the `tokenizers` library: spans for chunking, batches for the model.

Two instances of one tokenizer, because truncation is a state of the instance: chunking must see every token, the model must
never see more than its window.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.types.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]

# Long texts are split for tokenisation at white space near this size, so that the tokenizer's threads share the work.
_PIECE = 20_000


class TextTokenizer:
    """Implements `protocols.Tokenizer` over a `tokenizer.json`. `max_tokens` is the window of `encode`, specials included."""

    def __init__(self, file: Path, max_tokens: int) -> None:
        self._file = file
        self.max_tokens = max_tokens

    @functools.cached_property
    def special_tokens(self) -> int:
        return int(self._whole.num_special_tokens_to_add(False))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Character span of every token of `text`, without special tokens, in order. Never truncated."""
        spans: list[tuple[int, int]] = []
        pieces = _pieces(text)
        for (start, _), encoding in zip(pieces, self._encode_whole([text[s:e] for s, e in pieces]), strict=True):
            spans += [(a + start, b + start) for a, b in encoding.offsets] if start else encoding.offsets
        return spans

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens. Never truncated."""
        return [len(e) for e in self._whole.encode_batch_fast(list(texts), add_special_tokens=False)] if texts else []

    def encode(self, texts: Sequence[str]) -> list[Any]:
        """Encodings with special tokens, cut to the window."""
        return list(self._cut.encode_batch_fast(list(texts)))

    def encode_pairs(self, query: str, texts: Sequence[str]) -> list[Any]:
        """Encodings of (query, text) pairs, cut to the window from the longer side."""
        return list(self._cut.encode_batch_fast([(query, text) for text in texts]))

    @property
    def pad_id(self) -> int:
        return self._pad_id

    def _encode_whole(self, texts: list[str]) -> list[Any]:
        return list(self._whole.encode_batch(texts, add_special_tokens=False))

    @functools.cached_property
    def _whole(self) -> Any:
        tokenizer = _load(self._file)
        tokenizer.no_truncation()
        return tokenizer

    @functools.cached_property
    def _cut(self) -> Any:
        tokenizer = _load(self._file)
        tokenizer.enable_truncation(self.max_tokens)
        return tokenizer

    @functools.cached_property
    def _pad_id(self) -> int:
        tokenizer = self._cut
        known = (tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>", "<|pad|>"))
        return next((i for i in known if i is not None), 0)


def padded(rows: Sequence[Sequence[int]], width: int, fill: int) -> IntArray:
    """int64 (len(rows), width), each row filled up on the right."""
    import numpy as np

    out = np.full((len(rows), width), fill, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def _load(file: Path) -> Any:
    from tokenizers import Tokenizer as HubTokenizer

    try:
        tokenizer = HubTokenizer.from_file(str(file))
    except Exception as error:  # the Rust library raises bare Exception
        raise ModelError(
            "The tokenizer cannot be read", f"{file}: {error}", "fetch or unpack the model again"
        ) from error
    tokenizer.no_padding()
    return tokenizer


def _pieces(text: str) -> list[tuple[int, int]]:
    """Cuts before a line break, where no tokenizer joins what stands on both sides."""
    pieces: list[tuple[int, int]] = []
    start = 0
    while len(text) - start > 2 * _PIECE:
        cut = text.find("\n", start + _PIECE)
        if cut < 0:
            break
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, len(text))]
