from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ragterm.engine.models.token_memory import TokenMemory


class Encoder:
    """Makes vectors that tell texts apart, and counts what it was asked for. A text has as many tokens as characters."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        self.asked += texts
        return [np.full((len(text), 4), ord(text[0]) / 1000, np.float32) for text in texts]


def test_texts_that_were_seen_are_not_encoded_again():
    memory, encode = TokenMemory(), Encoder()
    first = memory.get(["abc", "de", "abc"], encode)
    assert encode.asked == ["abc", "de"]
    encode.asked.clear()
    again = memory.get(["de", "x", "abc"], encode)
    assert encode.asked == ["x"]
    assert [v.shape for v in again] == [(2, 4), (1, 4), (3, 4)]
    assert all(v.dtype == np.float32 for v in again)
    np.testing.assert_array_equal(again[0], first[1])
    np.testing.assert_array_equal(again[2], first[0])
    np.testing.assert_allclose(again[1], ord("x") / 1000, atol=1e-3)


def test_the_least_recently_used_is_forgotten_first():
    bytes_of_one = 3 * 4 * 2  # float16
    memory, encode = TokenMemory(limit=2 * bytes_of_one), Encoder()
    memory.get(["aaa"], encode)
    memory.get(["bbb"], encode)
    memory.get(["aaa"], encode)
    memory.get(["ccc"], encode)
    encode.asked.clear()
    memory.get(["aaa", "ccc"], encode)
    assert encode.asked == []
    memory.get(["bbb"], encode)
    assert encode.asked == ["bbb"]


def test_a_text_larger_than_the_memory_is_encoded_each_time():
    memory, encode = TokenMemory(limit=8), Encoder()
    assert memory.get(["abcdef"], encode)[0].shape == (6, 4)
    assert memory.get(["abcdef"], encode)[0].shape == (6, 4)
    assert encode.asked == ["abcdef", "abcdef"]
