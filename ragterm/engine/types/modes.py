"""The ways in which one can search: words that settings and traces share, apart from both so that reading a configuration
does not build every value type."""

from __future__ import annotations

from typing import Literal

SearchMode = Literal["hybrid", "dense", "keyword"]
Fusion = Literal["convex", "rrf"]
StrategyName = Literal[
    "auto", "recursive", "fixed", "sentences", "semantic", "hierarchical", "markdown", "code", "table", "qa", "legal"
]
"""How documents are cut into chunks; "auto" chooses by kind and content."""
