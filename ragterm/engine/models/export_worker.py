"""From a checkpoint to an ONNX graph: the child process. The only module of this room that imports torch and transformers.

    python -m ragterm.engine.models.export_worker '{"checkpoint": DIR, "folder": DIR, "kind": ..., "precisions": [...]}'

Lines on standard output: `progress TEXT`, `failed REASON`. The graph is traced with `torch.onnx.export(dynamo=False)` (the newer
exporter needs a package more) from plain ("eager") attention: its products become MatMul nodes that ONNX Runtime runs at
the processor's full rate. The fused Attention operator of onnxruntime.transformers was 8 to 15 % slower here on one thread.
int8: dynamic quantisation with one scale per output channel (onnxruntime.quantization).
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from ragterm.engine.models.runtime import quiet_onnxruntime

OPSET = 17
# Batch and length of the checks: other than those of the trace, so that a size that was frozen into the graph shows.
_CHECKS = ((1, 3), (3, 17), (2, 40))
_TOLERANCE = 1e-3


def main(argument: str) -> int:
    job = json.loads(argument)
    folder = Path(job["folder"])
    warnings.filterwarnings("ignore")
    if hasattr(os, "nice"):
        os.nice(5)  # the interface is waiting for the user meanwhile, and must not stutter
    try:
        if "fp32" in job["precisions"]:
            _export(Path(job["checkpoint"]), folder / "model.fp32.onnx.part", folder, job["kind"])
        if "int8" in job["precisions"]:
            done = folder / "model.fp32.onnx"
            _quantise(
                done if "fp32" not in job["precisions"] else folder / "model.fp32.onnx.part",
                folder / "model.int8.onnx.part",
            )
    except Exception as error:  # noqa: BLE001  the process border: the parent turns this line into a ModelError
        import traceback

        traceback.print_exc()
        first = str(error).strip().splitlines()
        print(f"failed {type(error).__name__}: {first[0] if first else ''}", flush=True)
        return 1
    return 0


def _say(text: str) -> None:
    print(f"progress {text}", flush=True)


def _export(checkpoint: Path, part: Path, folder: Path, kind: str) -> None:
    _say("Loading the exporter (torch)")
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    if kind == "embedder":
        from ragterm.engine.models.checkpoint import read_embedding_checkpoint

        checkpoint = read_embedding_checkpoint(checkpoint).encoder
    if not (checkpoint / "tokenizer.json").is_file():
        _say("Building the tokenizer")
        fast = transformers.AutoTokenizer.from_pretrained(checkpoint, use_fast=True, local_files_only=True)
        temporary = folder / "tokenizer.json.part"
        fast.backend_tokenizer.save(str(temporary))
        temporary.replace(folder / "tokenizer.json")
    _say("Reading the weights")
    family = transformers.AutoModel if kind == "embedder" else transformers.AutoModelForSequenceClassification
    model = family.from_pretrained(
        checkpoint, attn_implementation="eager", dtype=torch.float32, local_files_only=True
    ).eval()
    output = "last_hidden_state" if kind == "embedder" else "logits"
    inputs = ["input_ids", "attention_mask"]
    if (getattr(model.config, "type_vocab_size", 0) or 0) > 1:
        inputs.append("token_type_ids")

    class Traced(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return getattr(self.model(**dict(zip(inputs, tensors, strict=True))), output)

    traced = Traced().eval()
    axes = {name: {0: "batch", 1: "sequence"} for name in inputs}
    axes[output] = {0: "batch", 1: "sequence"} if kind == "embedder" else {0: "batch"}
    vocabulary = int(model.config.vocab_size)
    _say("Exporting the graph")
    with torch.no_grad():
        torch.onnx.export(
            traced,
            _sample(torch, 2, 16, vocabulary, len(inputs)),
            str(part),
            input_names=inputs,
            output_names=[output],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        _say("Checking the graph")
        _check(torch, traced, part, inputs, vocabulary)


def _sample(torch: Any, rows: int, width: int, vocabulary: int, count: int) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(rows * 1000 + width)
    ids = torch.randint(min(5, vocabulary - 1), vocabulary, (rows, width), generator=generator)
    mask = torch.ones_like(ids)
    if rows > 1:
        mask[-1, width // 2 :] = 0  # padding, so that the mask stays part of the graph
    return (ids, mask, torch.zeros_like(ids))[:count]


def _check(torch: Any, traced: Any, part: Path, inputs: list[str], vocabulary: int) -> None:
    """The graph must agree with torch where the mask is set, on shapes that it was not traced with."""
    import numpy as np

    onnxruntime = quiet_onnxruntime()

    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    for rows, width in _CHECKS:
        tensors = _sample(torch, rows, width, vocabulary, len(inputs))
        expected = traced(*tensors).numpy()
        got = session.run(None, {name: tensor.numpy() for name, tensor in zip(inputs, tensors, strict=True)})[0]
        if expected.ndim == 3:
            keep = tensors[1].numpy().astype(bool)
            expected, got = expected[keep], got[keep]
        error = float(np.abs(expected - got).max() / max(1e-6, np.abs(expected).max()))
        if not error < _TOLERANCE:
            raise ValueError(f"the exported graph differs from the model by {error:.2g} on a batch of {rows} x {width}")


def _quantise(source: Path, part: Path) -> None:
    _say("Quantising to int8")
    import logging

    quiet_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)
    quantize_dynamic(str(source), str(part), per_channel=True, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
