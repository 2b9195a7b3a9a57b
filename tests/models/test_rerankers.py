"""Rerankers against sentence-transformers' CrossEncoder and against MaxSim written out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.checkpoints import tiny_cross_encoder
from support.minilm import minilm

from ragterm.engine.models import export, export_worker
from ragterm.engine.models.rerankers import LateInteraction, load_cross_encoder
from ragterm.engine.types.errors import DownloadNeeded, ModelError
from ragterm.engine.types.protocols import Reranker

TEXTS = [
    "Refunds are paid within fourteen days of the return.",
    "The cat sat on the mat.",
    "",
    "Our return policy: money back, no questions asked, within two weeks. " * 12,
    "days",
]


@pytest.fixture
def cross_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    def run(job: dict[str, Any], log: Path, progress: object) -> tuple[str, int]:
        return "", export_worker.main(json.dumps(job))

    monkeypatch.setattr(export, "_run_child", run)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    folder = tiny_cross_encoder(tmp_path / "tiny")
    return folder, load_cross_encoder(str(folder), tmp_path / "cache")


def test_a_cross_encoder_gives_the_logits_of_sentence_transformers(cross_encoder: tuple[Path, Any]) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    folder, ours = cross_encoder
    reranker: Reranker = ours
    theirs = CrossEncoder(str(folder), device="cpu")
    query = "refund within days"
    expected = theirs.predict([(query, text) for text in TEXTS], activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(reranker.score(query, TEXTS), expected, atol=2e-5)
    assert reranker.scale == "logit"
    assert len(reranker.score(query, [])) == 0
    assert np.ptp(expected) > 1e-3  # the comparison is not one of constants


def test_a_classifier_is_no_reranker(tmp_path: Path) -> None:
    folder = tiny_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(ModelError, match="3 scores"):
        load_cross_encoder(str(folder), tmp_path / "cache")


def test_a_cross_encoder_that_is_not_here_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DownloadNeeded):
        load_cross_encoder("cross-encoder/ms-marco-MiniLM-L6-v2", tmp_path)


def test_late_interaction_is_max_sim() -> None:
    embedder = minilm()
    query = "How long does a refund take?"
    asked = embedder.token_vectors([query])[0]
    expected = [
        np.mean([max(float(q @ t) for t in tokens) for q in asked]) if len(tokens) else -1.0
        for tokens in embedder.token_vectors(TEXTS)
    ]
    reranker: Reranker = LateInteraction(embedder)
    np.testing.assert_allclose(reranker.score(query, TEXTS), expected, atol=2e-3)
    assert int(np.argmax(expected)) in (0, 3)
    assert reranker.score("", TEXTS).tolist() == [-1.0] * len(TEXTS)
