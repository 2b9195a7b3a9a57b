"""What a person sees of a running ingest: pictures at most ten times a second, and an honest remaining time.

The estimate counts tokens, not files: one book weighs more than a hundred notes. Tokens of files that are not parsed yet are
estimated from their size and the tokens per byte seen so far, by kind (a PDF has far fewer tokens per byte than Markdown).
The rate is that of the last half minute by the wall clock, so it is right whether parsing or embedding is the bottleneck.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice

from ragterm.engine.documents.sources import kind_of
from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestStage

INTERVAL_SECONDS = 0.1
MOST_WORKING = 4
"""Files in work that a picture names; the oldest first."""
_WINDOW_SECONDS = 30.0
_SPEED_SECONDS = 5.0
_HONEST_AFTER_SECONDS = 3.0
_HONEST_AFTER_CHUNKS = 32
_FIRST_GUESS = {
    "markdown": 0.3,
    "text": 0.3,
    "code": 0.35,
    "html": 0.1,
    "docx": 0.05,
    "pdf": 0.02,
    "email": 0.05,
    "archive": 0.0,
}  # tokens per byte


class Estimate:
    """Remaining seconds from tokens done and bytes to come. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.waiting: Counter[str] = Counter()
        """Bytes by kind of the files that are not chunked yet."""
        self._seen: dict[str, tuple[int, int]] = {}
        self._samples: deque[tuple[float, int, int]] = deque()
        self.tokens_known = 0
        self.tokens_done = 0
        self.chunks_done = 0
        self._paused = 0.0
        self._pause_began: float | None = None
        self._shown: tuple[float, float] | None = None

    def expect(self, path: str, size: int) -> None:
        """A file that is to be read."""
        self.waiting[kind_of(path) or ""] += size

    def chunked(self, kind: str, size: int, tokens: int) -> None:
        bytes_seen, tokens_seen = self._seen.get(kind, (0, 0))
        self._seen[kind] = (bytes_seen + size, tokens_seen + tokens)
        self.left(kind, size)
        self.tokens_known += tokens

    def left(self, kind: str, size: int) -> None:
        """A file left the queue without chunks."""
        self.waiting[kind] = max(0, self.waiting[kind] - size)

    def embedded(self, chunks: int, tokens: int) -> None:
        self.tokens_done += tokens
        self.chunks_done += chunks

    def paused(self, on: bool) -> None:
        """A pause is no work and no slowness: the clock stands still."""
        if on and self._pause_began is None:
            self._pause_began = self._clock()
        elif not on and self._pause_began is not None:
            self._paused += self._clock() - self._pause_began
            self._pause_began = None

    def _now(self) -> float:
        return (self._pause_began if self._pause_began is not None else self._clock()) - self._paused

    def tick(self) -> tuple[float, float | None]:
        """(chunks per second over the last seconds, seconds left or None while nobody can know)."""
        now = self._now()
        self._samples.append((now, self.tokens_done, self.chunks_done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        recent = next((s for s in self._samples if now - s[0] <= _SPEED_SECONDS), self._samples[-1])
        elapsed = now - recent[0]
        speed = (self.chunks_done - recent[2]) / elapsed if elapsed > 0.5 else 0.0
        first = next((s for s in self._samples if s[1] > 0), None)
        if first is None:
            return speed, None
        span, tokens = now - first[0], self.tokens_done - first[1]
        if span < _HONEST_AFTER_SECONDS or self.chunks_done < _HONEST_AFTER_CHUNKS or tokens <= 0:
            return speed, None
        return speed, self._smooth(now, self._tokens_left() / (tokens / span))

    def _tokens_left(self) -> float:
        left = float(self.tokens_known - self.tokens_done)
        for kind, size in self.waiting.items():
            bytes_seen, tokens_seen = self._seen.get(kind, (0, 0))
            # The first guess counts as 100 kB of evidence, so that one odd file does not swing the estimate.
            left += size * (tokens_seen + _FIRST_GUESS.get(kind, 0.2) * 1e5) / (bytes_seen + 1e5)
        return left

    def _smooth(self, now: float, raw: float) -> float:
        """Let the shown value run down with the clock and move a part of the way to the new one."""
        if self._shown is None:
            shown = raw
        else:
            since = now - self._shown[0]
            expected = max(0.0, self._shown[1] - since)
            shown = expected + (raw - expected) * min(1.0, since / 5.0)
        self._shown = (now, shown)
        return shown


class Reporter:
    """Sends pictures to `on_progress`, from whichever thread calls `show` (always the conductor's)."""

    def __init__(self, collection: str, on_progress: Callable[[IngestProgress], None] | None) -> None:
        self.collection = collection
        self.estimate = Estimate()
        self.files_total = 0
        self.files_done = 0
        self.chunks_known = 0
        self.stage: IngestStage = "finding"
        self.path = ""
        self.message = ""
        self._send = on_progress
        self._finished: list[DocumentOutcome] = []
        self._working: dict[str, IngestStage] = {}
        self._began = time.monotonic()
        self._sent_at = 0.0
        self._sent: tuple[IngestStage, str] | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def enters(self, path: str, stage: IngestStage) -> None:
        """This file is in this stage from now on, until it is finished."""
        self.path = path if stage == "parsing" else self.path
        self._working[path] = stage

    def chunked(self, path: str, kind: str, size: int, chunks: int, tokens: int) -> None:
        """A file of `size` bytes was cut into chunks, which wait for their vectors."""
        self.enters(path, "embedding")
        self.chunks_known += chunks
        self.estimate.chunked(kind, size, tokens)

    def finished(self, outcome: DocumentOutcome) -> None:
        self.files_done += 1
        self._working.pop(outcome.path, None)
        self._finished.append(outcome)

    def show(self, stage: IngestStage | None = None, message: str | None = None) -> None:
        """Send a picture when the stage or message is a new one, or the last picture is old enough."""
        self.stage = stage or self.stage
        self.message = self.message if message is None else message
        now = time.monotonic()
        new = self._sent != (self.stage, self.message)
        if self._send is None or not (new or now - self._sent_at >= INTERVAL_SECONDS):
            return
        self._sent_at, self._sent = now, (self.stage, self.message)
        speed, left = self.estimate.tick()
        finished, self._finished = tuple(self._finished), []
        self._send(
            IngestProgress(
                stage=self.stage,
                collection=self.collection,
                path=self.path,
                files_total=max(self.files_total, self.files_done),
                files_done=self.files_done,
                chunks_done=self.estimate.chunks_done,
                chunks_known=self.chunks_known,
                chunks_per_second=speed,
                seconds=self.seconds,
                seconds_left=0.0 if self.stage == "done" else left,
                message=self.message,
                finished=finished,
                working=tuple(islice(self._working.items(), MOST_WORKING)),
            )
        )
