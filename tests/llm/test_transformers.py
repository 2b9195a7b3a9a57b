"""A checkpoint in this process: a tiny one with random weights, made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragterm.engine.llm.transformers import TransformersModel
from ragterm.engine.types.answers import Finished, Message, Prompt, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import Cancelled, LlmError
from ragterm.engine.types.settings import AnswerSettings

pytestmark = pytest.mark.slow
PROMPT = Prompt("Why?", (Message("system", "rules"), Message("user", "a b c")), (), 5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("checkpoint")
    words = {w: n for n, w in enumerate(["<unk>", "</s>", *"abcdefgh", "rules", "Answer", ":"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>").save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=128,
        eos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


def test_it_writes_as_many_tokens_as_it_may(checkpoint: str) -> None:
    model = TransformersModel(checkpoint, AnswerSettings(max_answer_tokens=16, temperature=0.0))
    assert model.context_window() == 128
    events = list(model.stream(PROMPT, Control()))
    assert any(isinstance(e, TextDelta) for e in events)
    assert events[-1] == Finished("length", prompt_tokens=6, output_tokens=16)


def test_it_can_be_cancelled(checkpoint: str) -> None:
    control = Control()
    stream = TransformersModel(checkpoint, AnswerSettings(max_answer_tokens=100)).stream(PROMPT, control)
    next(stream)
    control.cancel()
    with pytest.raises(Cancelled):
        list(stream)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LlmError) as caught:
        TransformersModel(str(tmp_path)).context_window()
    assert "--llm transformers:" in caught.value.hint
    assert "\n" not in str(caught.value)
