"""Program text in a rendered document: in a fence that names its language, as Markdown has it, where the format knew one."""

from __future__ import annotations

import re

from ragterm.engine.documents.clean import canonical

_BACKTICKS = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,40}")


def fenced(code: str, language: str = "") -> str:
    """A listing that says its language; without one it stays as it is, since its block says that it is code. The fence is longer
    than any in the listing."""
    code = canonical(code).strip("\n")
    if not _LANGUAGE.fullmatch(language) or not code.strip():
        return code
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
