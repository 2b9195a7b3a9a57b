"""Evaluation: how good is retrieval on questions whose right documents are known?"""

from __future__ import annotations

from ragterm.engine.evaluation.beir import BeirData, corpus_documents, load_beir
from ragterm.engine.evaluation.evaluate import Evaluation, evaluate, index_corpus
from ragterm.engine.evaluation.runs import Run, write_run

__all__ = ["BeirData", "Evaluation", "Run", "corpus_documents", "evaluate", "index_corpus", "load_beir", "write_run"]
