"""Files that no person wrote for a reader: lock files, minified scripts, source maps, generated code, binary data.

By name where the name says it, else by the first bytes. The sentence that marks generated code is Go's convention (`go help
generate`): a line "Code generated ... DO NOT EDIT." near the beginning, which generators of other languages use as well.
"""

from __future__ import annotations

import re

from ragterm.engine.documents.formats import BY_KIND

HEAD_BYTES = 16 * 1024
_HEAD_LINES = 40

_LOCK_NAMES = frozenset(
    {
        "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock", "poetry.lock",
        "pdm.lock", "uv.lock", "pipfile.lock", "pixi.lock", "conda-lock.yml", "cargo.lock", "composer.lock", "gemfile.lock", "go.sum",
        "mix.lock", "podfile.lock", "pubspec.lock", "flake.lock", "packages.lock.json", "gradle.lockfile", "cartfile.resolved",
        "package.resolved", "paket.lock", "stack.yaml.lock", "manifest.toml.lock", ".terraform.lock.hcl",
    }
)  # fmt: skip
_MINIFIED_NAME = re.compile(r"[.-]min\.(?:js|mjs|cjs|css|html?)$")
_SOURCE_MAP = re.compile(r"\.(?:js|mjs|cjs|css|ts)\.map$")
_GENERATED = re.compile(
    rb"\W{0,10}(?:(?:\w+[ ,]+){0,6}generated\b.{0,200}\bdo not (?:edit|modify)\b|@generated\b)", re.IGNORECASE
)
_FOREIGN = (b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")
"""Documents and archives under the ending of a text: whoever parses them recognises them."""
_SCRIPTS = (".js", ".mjs", ".cjs", ".css")
_LONG_LINE = 1000
"""Characters a line, on average over the head of a script: nobody writes that by hand."""


def unwanted_by_name(path: str) -> str:
    """Why a file of this name is left out, "" when it is not."""
    name = path.replace("\\", "/").rpartition("/")[2].lower()
    if name in _LOCK_NAMES:
        return "generated: a lock file"
    if _MINIFIED_NAME.search(name):
        return "generated: minified"
    return "generated: a source map" if _SOURCE_MAP.search(name) else ""


def unwanted_by_content(path: str, kind: str, head: bytes) -> str:
    """The same by the first HEAD_BYTES of a file of this kind."""
    known = BY_KIND.get(kind)
    if known is None or known.takes != "text":
        return ""
    from ragterm.engine.documents.encodings import is_binary

    if not head.startswith(_FOREIGN) and is_binary(head):
        return "binary data in spite of its name"
    if kind != "code":
        return ""
    if any(_GENERATED.match(line) for line in head.split(b"\n", _HEAD_LINES)[:_HEAD_LINES]):
        return "generated: its first lines say so (do not edit)"
    if (
        path.lower().endswith(_SCRIPTS)
        and len(head) >= _LONG_LINE
        and len(head) / (head.count(b"\n") + 1) >= _LONG_LINE
    ):
        return "generated: minified"
    return ""
