"""Does a text look English? Decided by function words and scripts, so that a reader can be told what the model is weak at.

The default embedding model was trained on English. The commonest words of a language make up a third of any running text in it, and
few of them are words of another one: counting them separates languages well (Grefenstette 1995, "Comparing two language
identification schemes"). Texts with too few words, and code, are left undecided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragterm.engine.types.documents import DocumentRow

MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
LANGUAGE_WARNING = "its language does not look like English, the language that the default embedding model knows"

_SAMPLE = 20_000
_LEAST_WORDS = 40
_ENGLISH = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "in",
        "is",
        "that",
        "for",
        "it",
        "with",
        "as",
        "was",
        "on",
        "be",
        "by",
        "this",
        "are",
        "at",
        "from",
        "or",
        "an",
        "have",
        "not",
        "which",
        "you",
    ]
)
_ENGLISH, *_OTHERS = (
    frozenset(words.split())
    for words in (
        "the of and to in is that for it with as was on be by this are at from or an have not which you",
        "der die das und ist nicht ein eine mit den von zu im für auf dem sich des auch wird",  # German
        "le la les des et est une dans que pour qui sur par pas au du plus ce avec il",  # French
        "el la los las de que y en un una por con para del se es no lo su como",  # Spanish
        "il di che la e un per una con non del della sono si da nel dei le anche come",  # Italian
        "o a os as de que e do da em um uma para com não por se na no mais",  # Portuguese
        "de het een van en is dat op te in voor met niet zijn aan er ook als bij om",  # Dutch
        "og i det er på en som til av for med at ikke den de har et om var fra",  # Norwegian, Danish
        "och att det i en på är som för av med den till inte ett om har de så var",  # Swedish
        "w i na z się do nie że jest to o jak a po za od dla przez są ale",  # Polish
        "ve bir bu için ile de da olarak çok en gibi daha olan sonra kadar ne var mı ama o",  # Turkish
    )
)
_WORD = re.compile(r"[^\W\d_]+")


def looks_foreign(text: str) -> bool:
    """True when the text is clearly not English; False when it is, or when nothing can be said."""
    words = [word.lower() for word in _WORD.findall(text[:_SAMPLE])]
    letters = sum(map(len, words))
    if letters >= 2 * _LEAST_WORDS and sum(not _is_latin(word[0]) for word in words) > len(words) / 2:
        return True
    if len(words) < _LEAST_WORDS:
        return False
    english = sum(word in _ENGLISH for word in words)
    other = max(sum(word in common for word in words) for common in _OTHERS)
    return other > 1.5 * english and other > 0.08 * len(words)


def collection_warning(rows: Sequence[DocumentRow], model: str) -> str:
    """What to say of a collection most of whose documents are in a language that the model does not know; "" else."""
    indexed = [row for row in rows if row.state == "indexed"]
    foreign = sum(LANGUAGE_WARNING in row.warnings for row in indexed)
    if "multilingual" in model or 2 * foreign <= len(indexed):
        return ""
    return (
        f"{foreign} of {len(indexed)} documents do not look English, the language that {model} knows. For others: "
        f"ragterm config download {MULTILINGUAL}, ragterm config set embedding.model {MULTILINGUAL}, and a new collection"
    )


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter < "\u1f00"
