"""Health checks of the machine and of what ragterm keeps on it. Every check says how bad, what, and what to do.

The machine, the models, the configuration, and each collection's store against the indexes derived from it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from ragterm.engine.collections import Shelf
from ragterm.engine.types.errors import DownloadNeeded, RagtermError
from ragterm.engine.types.health import Check
from ragterm.engine.types.settings import Settings

_LOW_DISK_MB = 1024
_LOW_MEMORY_MB = 1500


def machine_checks(home: Path) -> list[Check]:
    """Python, platform limits, free disk and memory, terminal."""
    checks = [Check("python", "ok", f"{sys.version.split()[0]} on {sys.platform}")]
    if sys.platform == "win32":
        checks.append(
            Check(
                "workers",
                "warning",
                "Windows has no memory limit for the processes that read documents",
                "keep huge files out",
            )
        )
    checks += [_disk(home), _memory(), _terminal(), _clipboard()]
    return checks


def _disk(home: Path) -> Check:
    folder = home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e6
    if free < _LOW_DISK_MB:
        return Check(
            "disk", "warning", f"{free:.0f} MB free at {folder}", "free some space, or use --home on another disk"
        )
    return Check("disk", "ok", f"{free / 1000:.1f} GB free at {folder}")


def _memory() -> Check:
    try:
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
        # The kernel counts its file cache as used; MemAvailable does not.
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) / 1000
    except (OSError, ValueError, AttributeError):
        return Check("memory", "info", "the free memory cannot be read on this platform")
    if available < _LOW_MEMORY_MB:
        return Check("memory", "warning", f"{available:.0f} MB available", "close other programs while ingesting")
    return Check("memory", "ok", f"{available / 1000:.1f} GB available")


def _terminal() -> Check:
    term, colour = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    if term in ("", "dumb"):
        return Check("terminal", "info", f"TERM is {term or 'not set'}: the app needs a terminal; the commands do not")
    if colour in ("truecolor", "24bit"):
        return Check("terminal", "ok", f"{term}, 16 million colours")
    colours = 256 if "256" in term else 16
    return Check(
        "terminal", "info", f"{term}, {colours} colours", "the theme `terminal` suits it" if colours == 16 else ""
    )


def _clipboard() -> Check:
    tools = ("pbcopy", "wl-copy", "xclip", "xsel", "clip.exe")
    found = next((tool for tool in tools if shutil.which(tool)), "")
    if found:
        return Check("clipboard", "ok", f"{found}, and the terminal's own (OSC 52)")
    return Check("clipboard", "info", "copying relies on the terminal (OSC 52)", "in tmux: set -g set-clipboard on")


def model_checks(settings: Settings, cache: Path) -> list[Check]:
    """The embedding model's weights against their hash, and the cross-encoder."""
    from ragterm.engine.models.rerankers import cross_encoder_present
    from ragterm.engine.models.weights import find_weights

    checks = []
    try:
        weights = find_weights(settings.embedding.model, cache, settings.privacy.offline)
        text = f"{weights.name} from {weights.source}, hash {weights.content_hash[:12]}"
        checks.append(Check("embedding model", "ok", text))
    except DownloadNeeded as error:
        checks.append(Check("embedding model", "error", str(error), error.hint))
    except RagtermError as error:
        checks.append(Check("embedding model", "error", str(error), error.hint))
    name = settings.search.cross_encoder
    if cross_encoder_present(name, cache):
        checks.append(Check("reranker", "ok", f"{name} is here"))
    else:
        checks.append(
            Check("reranker", "info", f"{name} is not here; late interaction reranks with the embedding model")
        )
    return checks


def config_checks(home: Path, shipped_themes: Path) -> list[Check]:
    """The configuration file and the user's themes. (A configuration that cannot be read never gets this far.)"""
    path = home / "config.toml"
    checks = [Check("configuration", "ok", str(path) if path.exists() else f"defaults ({path} does not exist)")]
    for theme in [*sorted(shipped_themes.glob("*.toml")), *sorted((home / "themes").glob("*.toml"))]:
        try:
            tomllib.loads(theme.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            checks.append(Check("theme", "warning", f"{theme}: {error}", "correct it or delete it"))
    return checks


def collection_check(shelf: Shelf, name: str) -> Check:
    """The audit of one collection: store, vectors and keyword index agree."""
    from ragterm.engine.ingest import audit_indexes, audit_store

    title = f"collection {name}"
    try:
        opened = shelf.get(name)
        dense, keyword, waiting = opened.fresh()
        in_store = [] if waiting else audit_store(opened.store)
        in_indexes = [] if waiting else audit_indexes(opened.store, dense, keyword)
        info, roots = opened.store.info(), opened.store.roots.all()
        found = "" if waiting else f"{len(dense.keys())} vectors and {len(keyword.keys())} keyword entries"
    except RagtermError as error:
        return Check(title, "error", str(error), error.hint)
    if problems := in_store + in_indexes:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        return Check(
            title,
            "error",
            shown,
            _remedy(opened.folder, opened.folder_of(opened.store.builds.live()), bool(in_store), roots),
        )
    facts = f"{info.documents} documents, {info.chunks} chunks; {found} agree with the store"
    return Check(title, "info" if waiting else "ok", waiting or facts)


def _remedy(folder: Path, indexes: Path, in_store: bool, roots: Sequence[str]) -> str:
    """What to type. The indexes are derived; the store is made again from the files."""
    from shlex import quote

    if not in_store:
        return f"rm -r {quote(str(indexes / 'vectors'))} {quote(str(indexes / 'keyword'))}: they are made again at the next question"
    again = " ".join(quote(root) for root in roots) or "PATH"
    return (
        f"put {folder / 'store.sqlite3'} back from a backup, or make it again (the files are untouched): "
        f"rm -r {quote(str(folder))} && ragterm ingest {again} -c {quote(folder.name)}"
    )
