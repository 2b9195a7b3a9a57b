"""Evaluation: how good is retrieval on questions whose right documents, or right words, are known?"""

from __future__ import annotations

from ragterm.engine.evaluation.beir import BeirData, corpus_documents, load_beir
from ragterm.engine.evaluation.chosen_strategies import chosen_strategies
from ragterm.engine.evaluation.chunk_ranking import rank_chunks
from ragterm.engine.evaluation.compare_chunking import compare
from ragterm.engine.evaluation.embedded_texts import EmbeddedTexts
from ragterm.engine.evaluation.evaluate import Evaluation, evaluate, index_corpus
from ragterm.engine.evaluation.runs import Run, write_run
from ragterm.engine.evaluation.span_questions import SpanQuestion, is_span_folder, load_questions, load_span_folder

__all__ = [
    "BeirData",
    "EmbeddedTexts",
    "Evaluation",
    "Run",
    "SpanQuestion",
    "chosen_strategies",
    "compare",
    "corpus_documents",
    "evaluate",
    "index_corpus",
    "is_span_folder",
    "load_beir",
    "load_questions",
    "load_span_folder",
    "rank_chunks",
    "write_run",
]
