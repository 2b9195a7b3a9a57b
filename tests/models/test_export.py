"""The one-time export: the real child process, damage on disk, several processes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.checkpoints import fake_checkpoint, tiny_embedder

from ragterm.engine.models import export, export_worker
from ragterm.engine.models.embedder import load_embedder
from ragterm.engine.models.export import ensure_onnx, verify_onnx
from ragterm.engine.models.files import exclusive, write_aside
from ragterm.engine.models.weights import find_weights
from ragterm.engine.types.errors import ModelError
from ragterm.engine.types.settings import EmbeddingSettings


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_embedder(tmp_path_factory.mktemp("export") / "tiny")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The same worker without a new interpreter (importing torch again takes seconds); the jobs it was given."""
    jobs: list[dict[str, Any]] = []

    def run(job: dict[str, Any], log: Path, progress: object) -> tuple[str, int]:
        jobs.append(job)
        return "", export_worker.main(json.dumps(job))

    monkeypatch.setattr(export, "_run_child", run)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    return jobs


def test_two_at_once_export_once_in_a_child(checkpoint: Path, tmp_path: Path) -> None:
    """From threads, as the app does it, with the current folder full of traps."""
    (tmp_path / "torch.py").write_text("raise SystemExit('the current folder was imported')")
    told: list[str] = []
    results: list[Path] = []
    weights = find_weights(str(checkpoint), tmp_path / "cache", offline=True)

    def work() -> None:
        results.append(ensure_onnx(weights, tmp_path / "cache", "fp32", told.append))

    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.chdir(before)
    assert len(results) == 2 and len(set(results)) == 1
    assert told.count("Exporting the graph") == 1
    assert any("waiting" in line for line in told)
    assert verify_onnx(results[0])
    assert [p.name for p in results[0].parent.glob("*.part")] == []


def test_a_checkpoint_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = fake_checkpoint(tmp_path / "broken")
    weights = find_weights(str(folder), tmp_path / "cache", offline=True)
    with pytest.raises(ModelError) as caught:
        ensure_onnx(weights, tmp_path / "cache", "fp32")
    assert "could not be prepared" in caught.value.title
    log = Path(caught.value.hint.rsplit(" ", 1)[-1])
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("damage", ["cut", "flipped", "no sidecar", "left over"])
def test_a_damaged_graph_is_made_again(
    checkpoint: Path, tmp_path: Path, in_process: list[dict[str, Any]], damage: str
) -> None:
    settings = EmbeddingSettings(model=str(checkpoint))
    expected = load_embedder(settings, tmp_path).embed_query("the cat runs")
    path = ensure_onnx(find_weights(str(checkpoint), tmp_path, offline=True), tmp_path, "fp32")
    assert len(in_process) == 1
    stat = path.stat()
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":  # the same size and time: only loading can tell
        path.write_bytes(b"\xff" * 4096 + data[4096:])
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif damage == "no sidecar":
        path.with_suffix(".json").unlink()
    else:
        (path.parent / "model.fp32.onnx.part").write_bytes(b"of a process that was killed")
        path.unlink()
    got = load_embedder(settings, tmp_path).embed_query("the cat runs")
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert len(in_process) == 2
    assert verify_onnx(path)


def test_a_copied_cache_is_believed_after_a_look(
    checkpoint: Path, tmp_path: Path, in_process: list[dict[str, Any]]
) -> None:
    weights = find_weights(str(checkpoint), tmp_path, offline=True)
    path = ensure_onnx(weights, tmp_path, "fp32")
    os.utime(path, ns=(1, 1))
    assert ensure_onnx(weights, tmp_path, "fp32") == path
    assert len(in_process) == 1
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    ensure_onnx(weights, tmp_path, "fp32")
    assert len(in_process) == 2


def test_int8_is_made_beside_fp32(checkpoint: Path, tmp_path: Path, in_process: list[dict[str, Any]]) -> None:
    weights = find_weights(str(checkpoint), tmp_path, offline=True)
    path = ensure_onnx(weights, tmp_path, "int8")
    assert in_process[0]["precisions"] == ["fp32", "int8"]
    assert path.stat().st_size < ensure_onnx(weights, tmp_path, "fp32").stat().st_size
    assert len(in_process) == 1
    texts = ["the cat runs fast", "refund policy", "return the money within fourteen days"]
    exact = load_embedder(EmbeddingSettings(model=str(checkpoint)), tmp_path)
    rough = load_embedder(EmbeddingSettings(model=str(checkpoint), precision="int8"), tmp_path)
    assert exact.model_id != rough.model_id
    cosines = (exact.embed_documents(texts) * rough.embed_documents(texts)).sum(axis=1)
    assert (cosines > 0.9).all() and (cosines < 1).any()


def test_a_graph_that_differs_from_the_model_is_refused(
    checkpoint: Path, tmp_path: Path, in_process: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(export_worker, "_TOLERANCE", 0.0)
    weights = find_weights(str(checkpoint), tmp_path, offline=True)
    with pytest.raises(ModelError):
        ensure_onnx(weights, tmp_path, "fp32")
    assert "differs from the model" in capfd.readouterr().out
    assert not (export.export_folder(weights, tmp_path, "embedder") / "model.fp32.onnx").exists()


def test_the_lock_holds_between_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from ragterm.engine.models.files import exclusive\n"
        "with exclusive(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        child.kill()

    with exclusive(lock, waiting):
        assert waited == [True]
    child.wait()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_aside(path, b"one")
    write_aside(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]
