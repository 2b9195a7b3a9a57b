"""The keyword index: BM25 over every chunk, on tantivy."""

from __future__ import annotations

from ragterm.engine.keyword.analysis import matched_spans, query_terms, surface_forms
from ragterm.engine.keyword.tantivy_index import TantivyIndex

__all__ = ["TantivyIndex", "matched_spans", "query_terms", "surface_forms"]
