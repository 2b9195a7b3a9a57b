"""Inverted lists: for each centroid, the rows that are nearest to it, in pages of 32 rows.

A list is a chain of pages; all pages of all lists lie in one array, in the order in which they were taken. So a list grows
without moving, and what is wasted is half a page for each list, not a share of the whole. A slot is a page times 32 plus a place in
it. A slot whose row was removed stays, marked by row -1, until `without_gaps`.

What a search reads are arrays that only ever change behind the slots that it counts, or are replaced by longer ones: a search may run
while another thread adds. Memory for each slot: the row's number, 4 bytes, and the payload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ragterm.engine.vectors.kernels import aligned
from ragterm.engine.vectors.pq import PAGE_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Codes = NDArray[np.uint8]
    Numbers = NDArray[np.int32]
    Slots = NDArray[np.int64]

_SPARE = 16
"""A sixteenth more pages than asked for are made, so that not every addition copies them all."""


class Payload(NamedTuple):
    """What is kept of rows: of each kind either for all, or for none, with 0 columns or no elements."""

    vectors: Floats  # (n, d) IVF-Flat
    codes: Codes  # (n, bytes) IVF-PQ
    biases: Floats  # (n,) IVF-PQ, Euclidean


class Lists(NamedTuple):
    """The lists as the kernels read them."""

    firsts: Numbers  # (lists,) the first page, -1 for none
    lasts: Numbers  # (lists,) the last page
    counts: Numbers  # (lists,) slots used
    nexts: Numbers  # (pages,) the page that follows in its list
    taken: int  # pages in use
    rows: Numbers  # (pages x 32,) the row in a slot, -1 for none
    vectors: Floats  # (pages x 32, d), or (0, d)
    codes: Codes  # (pages, bytes, 32), or (0, bytes, 32)
    biases: Floats  # (pages x 32,), or (0,)


def empty_lists(lists: int, dimensions: int, code_bytes: int) -> Lists:
    nothing = np.full(lists, -1, dtype=np.int32)
    return Lists(
        firsts=nothing,
        lasts=nothing.copy(),
        counts=np.zeros(lists, dtype=np.int32),
        nexts=np.empty(0, dtype=np.int32),
        taken=0,
        rows=np.empty(0, dtype=np.int32),
        vectors=aligned((0, dimensions), np.float32),
        codes=aligned((0, code_bytes, PAGE_ROWS), np.uint8),
        biases=np.empty(0, dtype=np.float32),
    )


def appended(lists: Lists, labels: Slots, rows: Slots, payload: Payload) -> Lists:
    """`rows` int64 (n,) put at the end of the lists `labels` int64 (n,), in their order. What was there stays valid for those who read
    it."""
    order = np.argsort(labels, kind="stable")
    labels = labels[order]
    added = np.bincount(labels, minlength=len(lists.counts))
    counts = lists.counts + added
    full = -(-lists.counts // PAGE_ROWS)  # pages that each list has
    more = -(-counts // PAGE_ROWS) - full
    new = lists.taken + np.cumsum(more) - more  # the first page that each list takes now
    taken = lists.taken + int(more.sum())

    # The place of each row in its list, then the page that has this place.
    within = np.arange(len(labels)) - np.repeat(np.cumsum(added) - added, added)
    place = lists.counts[labels] + within
    ahead = place // PAGE_ROWS - full[labels]
    page = np.where(ahead < 0, lists.lasts[labels], new[labels] + ahead)
    slots = page * PAGE_ROWS + place % PAGE_ROWS

    lists = _with_pages(lists, taken, payload)
    longer = np.flatnonzero(more)
    lists.nexts[lists.taken : taken] = np.arange(lists.taken + 1, taken + 1)
    lists.nexts[new[longer] + more[longer] - 1] = -1
    begun = longer[lists.lasts[longer] >= 0]
    lists.nexts[lists.lasts[begun]] = new[begun]
    firsts, lasts = lists.firsts.copy(), lists.lasts.copy()
    fresh = longer[lists.firsts[longer] < 0]
    firsts[fresh] = new[fresh]
    lasts[longer] = new[longer] + more[longer] - 1

    lists.rows[slots] = rows[order]
    if payload.vectors.size:
        lists.vectors[slots] = payload.vectors[order]
    if payload.codes.size:
        lists.codes[page, :, place % PAGE_ROWS] = payload.codes[order]
    if payload.biases.size:
        lists.biases[slots] = payload.biases[order]
    return lists._replace(firsts=firsts, lasts=lasts, counts=counts.astype(np.int32), taken=taken)


def _with_pages(lists: Lists, wanted: int, payload: Payload) -> Lists:
    """Room for so many pages."""
    if wanted <= len(lists.nexts):
        return lists
    pages = wanted + (wanted // _SPARE if lists.taken else 0)
    slots = pages * PAGE_ROWS

    def longer(old: NDArray[Any], length: int, empty: int = 0) -> NDArray[Any]:
        room = aligned((length, *old.shape[1:]), old.dtype.type)
        room[: len(old)] = old
        room[len(old) :] = empty
        return room

    return lists._replace(
        nexts=longer(lists.nexts, pages),
        rows=longer(lists.rows, slots, -1),
        vectors=longer(lists.vectors, slots) if payload.vectors.size else lists.vectors,
        codes=longer(lists.codes, pages) if payload.codes.size else lists.codes,
        biases=longer(lists.biases, slots) if payload.biases.size else lists.biases,
    )


def used_slots(lists: Lists) -> tuple[Slots, Slots]:
    """The slots of rows that are there, in the order of their lists, and the list of each."""
    slots, labels = [], []
    for number, count in enumerate(lists.counts.tolist()):
        page = int(lists.firsts[number])
        for start in range(0, count, PAGE_ROWS):
            here = page * PAGE_ROWS + np.arange(min(PAGE_ROWS, count - start))
            slots.append(here[lists.rows[here] >= 0])
            labels.append(np.full(len(slots[-1]), number))
            page = int(lists.nexts[page])
    if not slots:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.concatenate(slots), np.concatenate(labels)


def payload_of(lists: Lists, slots: Slots) -> Payload:
    """What is kept in the slots."""
    return Payload(
        lists.vectors[slots] if len(lists.vectors) else lists.vectors,
        lists.codes[slots // PAGE_ROWS, :, slots % PAGE_ROWS] if len(lists.codes) else lists.codes[:, :, 0],
        lists.biases[slots] if len(lists.biases) else lists.biases,
    )


def without_rows(lists: Lists, rows: Slots) -> tuple[Lists, int]:
    """The lists with the slots of `rows` marked, and how many there were. The marks are made in a copy: a search under way that saw a
    row there must still find it when it reports."""
    gone = np.flatnonzero(np.isin(lists.rows, rows[rows >= 0]))
    if not len(gone):
        return lists, 0
    marked = lists.rows.copy()
    marked[gone] = -1
    return lists._replace(rows=marked), len(gone)


def without_gaps(lists: Lists) -> Lists:
    """The same rows in fresh pages."""
    slots, labels = used_slots(lists)
    fresh = empty_lists(len(lists.counts), lists.vectors.shape[1], lists.codes.shape[1])
    return appended(fresh, labels, lists.rows[slots].astype(np.int64), payload_of(lists, slots))


def check_lists(lists: Lists, rows: int) -> list[str]:
    """What is wrong with the lists of an index of `rows` rows, one sentence each; empty when they are sound. Checked: shapes fit each
    other, every page in use belongs to one list, chains are as long as their lists, no row is there twice or out of range."""
    pages, taken = len(lists.nexts), lists.taken
    fits = {len(lists.rows), len(lists.vectors) or pages * PAGE_ROWS, len(lists.biases) or pages * PAGE_ROWS}
    if fits != {pages * PAGE_ROWS} or len(lists.codes) not in (0, pages) or not 0 <= taken <= pages:
        return ["the arrays are not of one length"]
    if not len(lists.firsts) == len(lists.lasts) == len(lists.counts) or (lists.counts < 0).any():
        return ["the lists are not of one number"]
    left = -(-lists.counts.astype(np.int64) // PAGE_ROWS)
    if int(left.sum()) != taken:
        return [f"{taken} pages are in use, the lists need {int(left.sum())}"]
    at, longer = lists.firsts.astype(np.int64), left > 0
    met = np.zeros(taken, dtype=np.int64)
    while longer.any():
        here = at[longer]
        if here.min() < 0 or here.max() >= taken:
            return ["a list leads to no page"]
        np.add.at(met, here, 1)
        ends = longer & (left == 1)
        if (at[ends] != lists.lasts[ends]).any():
            return ["a list does not end with its last page"]
        left[longer] -= 1
        at[longer] = lists.nexts[here]
        longer = left > 0
    if (met != 1).any():
        return ["a page belongs to two lists, or to none"]
    held = lists.rows[: taken * PAGE_ROWS]
    if (held >= rows).any() or (held < -1).any():
        return [f"a row is none of {rows}"]
    there = np.bincount(held[held >= 0], minlength=1)
    return ["a row is there twice"] if (there > 1).any() else []
