"""ragterm: retrieval-augmented generation over your own documents, with the hood open.

`Engine` (the local engine) and `VectorDB` (the vector database) are imported on first use (PEP 562), so that
`import ragterm` costs nothing and the command line starts without numpy, torch or textual.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragterm.engine.engine import Engine
    from ragterm.engine.vectors.database import VectorDB

__version__ = "0.1.0"
__all__ = ["Engine", "VectorDB", "__version__"]

_LAZY = {
    "Engine": "ragterm.engine.engine",
    "VectorDB": "ragterm.engine.vectors.database",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
