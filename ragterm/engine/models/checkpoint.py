"""What a checkpoint folder says about how its model is to be used: window, pooling, prompts, activation.

The files are those of sentence-transformers (`modules.json`, `1_Pooling/config.json`, `sentence_bert_config.json`,
`config_sentence_transformers.json`) and transformers (`config.json`, `tokenizer_config.json`). A folder without
`modules.json` is a plain encoder: mean pooling, as sentence-transformers does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ragterm.engine.types.errors import ModelError

Pooling = Literal["mean", "cls", "max", "lasttoken"]
_POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "max", "lasttoken")
_LEGACY_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How to use the encoder in `encoder` (the folder with `config.json`). `max_tokens` counts special tokens; `query_prompt` and
    `document_prompt` go before every text."""

    encoder: Path
    dimensions: int
    max_tokens: int
    pooling: Pooling
    query_prompt: str = ""
    document_prompt: str = ""
    lower_case: bool = False


def read_embedding_checkpoint(folder: Path) -> Checkpoint:
    """Raises ModelError for modules that the encoder-plus-pooling form cannot express."""
    modules = _json(folder / "modules.json", [])
    encoder, pooling, prompt_pooled = folder, "mean", True
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        path = folder / str(module.get("path", ""))
        if kind == "Transformer":
            encoder = path
        elif kind == "Pooling":
            config = _json(path / "config.json", {})
            pooling, prompt_pooled = _pooling(config), bool(config.get("include_prompt", True))
        elif kind != "Normalize":
            raise ModelError(
                "This embedding model has a part that cannot be run here",
                f"{folder}: module {kind}; encoder, pooling and normalisation are supported",
                "choose another model: ragterm config set embedding.model NAME",
            )
    if pooling not in _POOLINGS or not prompt_pooled:
        raise ModelError(
            "This embedding model pools in a way that cannot be run here",
            f"{folder}: {pooling}" + ("" if prompt_pooled else " without the prompt's tokens"),
            "choose another model: ragterm config set embedding.model NAME",
        )
    config = _json(encoder / "config.json", {})
    settings = _json(encoder / "sentence_bert_config.json", {})
    prompts, default = _prompts(folder)
    return Checkpoint(
        encoder=encoder,
        dimensions=int(config.get("hidden_size") or config.get("dim") or 0),
        max_tokens=_window(encoder, config, settings),
        pooling=next(p for p in _POOLINGS if p == pooling),
        query_prompt=prompts.get("query", default),
        document_prompt=next((prompts[n] for n in ("document", "passage", "corpus") if n in prompts), default),
        lower_case=bool(settings.get("do_lower_case", False)),
    )


def read_cross_encoder_checkpoint(folder: Path) -> Checkpoint:
    """Raises ModelError when the model gives more than one score per pair."""
    config = _json(folder / "config.json", {})
    labels = config.get("num_labels") or len(config.get("id2label") or {0: ""})
    if labels != 1:
        raise ModelError(
            "This checkpoint is no reranker",
            f"{folder}: it gives {labels} scores for a pair, a cross-encoder for ranking gives one",
            "ragterm config set search.cross_encoder cross-encoder/ms-marco-MiniLM-L6-v2",
        )
    settings = _json(folder / "sentence_bert_config.json", {})
    return Checkpoint(folder, int(config.get("hidden_size") or 0), _window(folder, config, settings), "cls")


def _pooling(config: dict[str, Any]) -> str:
    mode = config.get("pooling_mode")
    if isinstance(mode, str):
        return mode
    active = (
        list(mode) if isinstance(mode, list) else [name for key, name in _LEGACY_POOLING.items() if config.get(key)]
    )
    return "+".join(active) if active else "mean"


def _prompts(folder: Path) -> tuple[dict[str, str], str]:
    config = _json(folder / "config_sentence_transformers.json", {})
    prompts = {k: v for k, v in (config.get("prompts") or {}).items() if isinstance(v, str)}
    return prompts, prompts.get(config.get("default_prompt_name") or "", "")


def _window(encoder: Path, config: dict[str, Any], settings: dict[str, Any]) -> int:
    """The smallest of what the three files say. A tokenizer without a limit writes 1e30."""
    tokenizer = _json(encoder / "tokenizer_config.json", {})
    limits = [settings.get("max_seq_length"), tokenizer.get("model_max_length"), config.get("max_position_embeddings")]
    known = [int(limit) for limit in limits if isinstance(limit, (int, float)) and 0 < limit < 1_000_000]
    if config.get("model_type") in {"roberta", "xlm-roberta", "camembert", "mpnet"} and len(known) == 1:
        known[0] -= 2  # these models count positions from pad_token_id + 1
    return min(known) if known else 512


def _json(path: Path, missing: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return missing
    except (OSError, ValueError) as error:
        raise ModelError(
            "A model's description cannot be read", f"{path}: {error}", "fetch or unpack the model again"
        ) from error
