"""Tiny random checkpoints, written by sentence-transformers itself, so that any way of use can be compared with it."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

WORDS = [
    "refund",
    "policy",
    "days",
    "the",
    "a",
    "of",
    "cat",
    "dog",
    "runs",
    "fast",
    "return",
    "within",
    "fourteen",
    "money",
    "back",
    "query",
    "passage",
]


def vocabulary() -> list[str]:
    letters = string.ascii_lowercase + string.digits + ".,:;?!-'"
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters if c.isalnum()), *WORDS]


def _tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()))
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True, model_max_length=64)


def _config(**changes: Any) -> Any:
    from transformers import BertConfig

    settings = {
        "vocab_size": len(vocabulary()),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
    }
    return BertConfig(**settings | changes)


def tiny_embedder(
    folder: Path, pooling: str = "mean", prompts: dict[str, str] | None = None, max_seq_length: int = 48, seed: int = 0
) -> Path:
    """A random two-layer BERT as a sentence-transformers folder (32 dimensions)."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(seed)
    base = folder.with_name(folder.name + "-base")
    BertModel(_config()).save_pretrained(base)
    _tokenizer(base).save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=max_seq_length)
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode=pooling), Normalize()], prompts=prompts)
    model.save(str(folder))
    return folder


def tiny_cross_encoder(folder: Path, labels: int = 1, seed: int = 0) -> Path:
    """A random two-layer BERT with a classification head as a CrossEncoder folder."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    BertForSequenceClassification(_config(num_labels=labels)).save_pretrained(folder)
    _tokenizer(folder).save_pretrained(folder)
    return folder


def fake_checkpoint(folder: Path, weights: bytes = b"weights") -> Path:
    """Files that look like a checkpoint; nothing can be computed with them."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder
