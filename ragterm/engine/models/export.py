"""From a checkpoint to an ONNX graph on disk, once per machine: the parent's side.

The work happens in a child process (`export_worker`): importing torch stalls an event loop for 200 ms, and the export holds the
interpreter lock for longer. The child tells its progress in lines on its standard output; its standard error goes to a log
in the cache, never to the terminal. A graph gets its name only when it is complete and has been checked; a sidecar
file beside it holds its size and SHA-256. One process exports, the others wait at a lock and then find the result.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ragterm.engine.models.files import exclusive, put_in_place, write_aside
from ragterm.engine.models.weights import Weights, sha256_of
from ragterm.engine.types.errors import ModelError

Precision = Literal["fp32", "int8"]
Kind = Literal["embedder", "cross-encoder"]
Progress = Callable[[str], None]

# Part of the cache's folder names: raise it when what the worker writes changes.
EXPORTER = 1
_LIMIT_SECONDS = 900.0


def ensure_onnx(
    weights: Weights, cache: Path, precision: Precision, progress: Progress | None = None, kind: Kind = "embedder"
) -> Path:
    """The exported graph of `weights`, made first if it is not there or damaged: about ten seconds once, then a look-up.

    The embedder's graph gives `last_hidden_state` (n, tokens, dimensions), the cross-encoder's `logits` (n, 1), both float32, for
    int64 `input_ids`, `attention_mask` and, where the model has them, `token_type_ids`, each (n, tokens). Raises ModelError
    with the reason when the model cannot be exported.
    """
    folder = export_folder(weights, cache, kind)
    path = folder / f"model.{precision}.onnx"
    if _is_whole(path):
        return path

    def waiting() -> None:
        if progress is not None:
            progress("Another ragterm is preparing the model; waiting for it")

    with exclusive(folder / "lock", waiting):
        if not _is_whole(path):
            _export(weights, folder, precision, kind, progress)
    return path


def tokenizer_file(
    weights: Weights, encoder: Path, cache: Path, kind: Kind = "embedder", progress: Progress | None = None
) -> Path:
    """The checkpoint's `tokenizer.json`, or the one that the export wrote for a checkpoint that has only a vocabulary."""
    own = encoder / "tokenizer.json"
    if own.is_file():
        return own
    made = export_folder(weights, cache, kind) / "tokenizer.json"
    if not made.is_file():
        ensure_onnx(weights, cache, "fp32", progress, kind)
    return made


def export_folder(weights: Weights, cache: Path, kind: Kind) -> Path:
    short = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(weights.name).name)[:40]
    return cache / "onnx" / f"{short}-{kind}-{weights.content_hash[:16]}-v{EXPORTER}"


def discard(path: Path) -> None:
    """Forget a graph that turned out to be unusable; the next `ensure_onnx` makes it again."""
    _sidecar(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def verify_onnx(path: Path) -> bool:
    """Whether the graph's bytes are the ones that were written (reads the whole file)."""
    try:
        return str(json.loads(_sidecar(path).read_text(encoding="utf-8"))["sha256"]) == sha256_of(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")


def _is_whole(path: Path) -> bool:
    """Size and time as written; when only the time differs (a copied cache) the content decides, and the new time is noted."""
    try:
        stat = path.stat()
        noted = json.loads(_sidecar(path).read_text(encoding="utf-8"))
        size, modified, digest = int(noted["size"]), int(noted["mtime_ns"]), str(noted["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if stat.st_size != size:
        return False
    if stat.st_mtime_ns == modified:
        return True
    if sha256_of(path) != digest:
        return False
    _note(path, digest)
    return True


def _note(path: Path, digest: str) -> None:
    stat = path.stat()
    record = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}
    write_aside(_sidecar(path), json.dumps(record).encode())


def _export(weights: Weights, folder: Path, precision: Precision, kind: Kind, progress: Progress | None) -> None:
    for left_over in folder.glob("*.part"):  # of a process that was killed; the lock says that nobody writes now
        left_over.unlink(missing_ok=True)
    wanted: list[Precision] = ["fp32"] if precision == "fp32" else ["fp32", "int8"]
    wanted = [p for p in wanted if not _is_whole(folder / f"model.{p}.onnx")]
    job: dict[str, object] = {
        "checkpoint": str(weights.path),
        "folder": str(folder),
        "kind": kind,
        "precisions": wanted,
    }
    log = folder / "export.log"
    if progress is not None:
        progress(f"Preparing {weights.name} for this machine, once")
    failure, code = _run_child(job, log, progress)
    if code != 0 or failure:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        reason = failure or (tail[-1] if tail else f"the exporter ended with code {code}")
        raise ModelError(f"{weights.name} could not be prepared", reason, f"the whole report is in {log}")
    for made in wanted:
        part = folder / f"model.{made}.onnx.part"
        path = folder / f"model.{made}.onnx"
        discard(path)
        put_in_place(part, path)
        _note(path, sha256_of(path))


def _run_child(job: dict[str, object], log: Path, progress: Progress | None) -> tuple[str, int]:
    """The reason that the child gave for a failure ("" for none) and its exit code."""
    with log.open("wb") as errors:
        # -P: the current folder is the user's; a torch.py lying there must not be imported. Descriptors are explicit
        # because the app's own standard error is a terminal driver's.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "ragterm.engine.models.export_worker", json.dumps(job)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        failure = _follow(child, progress)
    return failure, child.returncode


def _follow(child: subprocess.Popen[str], progress: Progress | None) -> str:
    """Relay the child's lines until it ends; the message of its `failed` line, if it wrote one."""
    failure = ""
    watchdog = threading.Timer(_LIMIT_SECONDS, child.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        assert child.stdout is not None
        for line in child.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "progress" and progress is not None:
                progress(rest)
            elif word == "failed":
                failure = rest
        child.wait()
    finally:
        watchdog.cancel()
        if child.poll() is None:
            child.kill()
            child.wait()
    return failure


def _environment() -> dict[str, str]:
    """The child finds this very package, and opens no socket."""
    package_root = str(Path(__file__).resolve().parents[3])
    paths = [package_root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
