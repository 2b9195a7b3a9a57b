"""The remaining time is honest: nothing at first, right when the pace is steady, by weight and not by number of files."""

from __future__ import annotations

from ragterm.engine.ingest.progress import MOST_WORKING, Estimate, Reporter
from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(
    estimate: Estimate, clock: Clock, seconds: float, tokens_per_second: int, step: float = 0.5
) -> tuple[float, float | None]:
    shown: tuple[float, float | None] = (0.0, None)
    for _ in range(int(seconds / step)):
        clock.now += step
        estimate.embedded(int(tokens_per_second * step / 100), int(tokens_per_second * step))
        shown = estimate.tick()
    return shown


def test_no_number_before_there_is_evidence():
    clock = Clock()
    estimate = Estimate(clock)
    estimate.waiting["markdown"] = 10_000
    assert estimate.tick() == (0.0, None)
    estimate.chunked("markdown", 5_000, 100_000)
    assert run(estimate, clock, 2, 2_000)[1] is None
    assert run(estimate, clock, 4, 2_000)[1] is not None


def test_a_steady_pace_is_foretold_and_runs_down_with_the_clock():
    clock = Clock()
    estimate = Estimate(clock)
    estimate.chunked("text", 1, 200_000)
    speed, left = run(estimate, clock, 20, 2_000)
    assert speed == 20.0
    assert left is not None and abs(left - (200_000 - 40_000) / 2_000) < 4
    for _ in range(3):
        speed, later = run(estimate, clock, 10, 2_000)
        assert later is not None and abs((left - later) - 10) < 2
        left = later


def test_files_that_wait_are_weighed_by_their_bytes_and_kind():
    clock = Clock()
    estimate = Estimate(clock)
    estimate.waiting.update({"markdown": 2_000_000, "pdf": 2_000_000})
    estimate.chunked("markdown", 1_000_000, 300_000)
    estimate.chunked("pdf", 1_000_000, 10_000)
    _, left = run(estimate, clock, 30, 3_000)
    # 220,000 tokens known, 310,000 foretold, 3,000 a second
    assert left is not None and 150 < left < 210


def test_a_pause_does_not_count():
    clock = Clock()
    estimate = Estimate(clock)
    estimate.chunked("text", 1, 200_000)
    _, before = run(estimate, clock, 20, 2_000)
    estimate.paused(True)
    clock.now += 1_000
    assert estimate.tick()[1] is not None
    estimate.paused(False)
    _, after = run(estimate, clock, 5, 2_000)
    assert before is not None and after is not None and abs(before - 5 - after) < 5


def test_it_ends_at_nothing():
    clock = Clock()
    estimate = Estimate(clock)
    estimate.waiting["text"] = 100
    estimate.chunked("text", 100, 40_000)
    _, left = run(estimate, clock, 20, 2_000)
    assert left is not None and left < 2


def test_a_picture_names_the_files_in_work_with_their_stage() -> None:
    pictures: list[IngestProgress] = []
    reporter = Reporter("default", pictures.append)
    for number in range(MOST_WORKING + 4):
        reporter.enters(f"/{number}.md", "parsing")
    reporter.chunked("/0.md", "markdown", 100, 3, 30)
    reporter.finished(DocumentOutcome("/1.md", "failed"))
    reporter.show("embedding")
    working = pictures[-1].working
    assert working[:2] == (("/0.md", "embedding"), ("/2.md", "parsing")) and len(working) == MOST_WORKING
    assert pictures[-1].path == f"/{MOST_WORKING + 3}.md" and pictures[-1].chunks_known == 3
    for number in range(MOST_WORKING + 4):
        reporter.finished(DocumentOutcome(f"/{number}.md", "added"))
    reporter.show("done")
    assert pictures[-1].working == ()
