"""The pool: a document that hangs, crashes, swells or lies costs its own file and nothing else.

The misbehaving parser is a script of this test's own, given to the pool as its worker command: it speaks the real protocol and
does what the file's name says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from ragterm.engine.documents.frames import (
    BrokenFrame,
    document_from,
    document_header,
    error_from,
    error_header,
    read_frame,
    write_frame,
)
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.workers import ParserPool
from ragterm.engine.types.documents import Block, ParsedDocument
from ragterm.engine.types.errors import Cancelled, ParseError

ROOT = Path(__file__).parents[2]

MISCHIEF = """
import os, sys, time
from ragterm.engine.documents import parsers, worker
from ragterm.engine.documents.time_limit import more_time
from ragterm.engine.types.documents import Block, ParsedDocument

def parse_file(path, staging=None):
    name = path.stem
    if name.startswith("hang"):
        time.sleep(3600)
    if name.startswith("patient"):
        for _ in range(int(name[7:])):
            more_time(0.6)
            time.sleep(0.5)
    if name.startswith("crash"):
        os.kill(os.getpid(), 11)
    if name.startswith("exit"):
        os._exit(3)
    if name.startswith("swell"):
        hoard = [bytearray(50_000_000) for _ in range(1000)]
    if name.startswith("noise"):
        os.write(1, b"noise on one\\n"); os.write(2, b"noise on two\\n"); print("printed", flush=True)
    if name.startswith("lie"):
        return ParsedDocument("short", (Block("paragraph", 0, 999),), "t", "text", "x")
    if name.startswith("garbage"):
        os.write(3, b"\\xff" * 64) if False else None
        for fd in range(3, 20):
            try: os.write(fd, b"\\xff" * 64)
            except OSError: pass
        os._exit(0)
    if name.startswith("pid"):
        return ParsedDocument(str(os.getpid()), (), str(os.nice(0)), "text", "x")
    return ParsedDocument(f"text of {name}", (Block("paragraph", 0, 4),), name, "text", "x")

parsers.parse_file = parse_file
sys.exit(worker.main())
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "mischief.py"
    script.write_text(MISCHIEF)
    return [sys.executable, str(script)]


@pytest.fixture
def pool(command: list[str], tmp_path: Path) -> Iterator[ParserPool]:
    with ParserPool(1, timeout_seconds=20, memory_mb=600, log_path=tmp_path / "log", command=command) as pool:
        yield pool


def failure(pool: ParserPool, name: str) -> ParseError:
    error = pool.submit(name).exception(timeout=60)
    assert isinstance(error, ParseError)
    assert error.stage == "parse" and error.message and error.hint
    return error


def test_results_are_what_the_parser_returns_in_this_process(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Notes\n\nText with ünïcödé \U0001f600.\n\n- a\n- b\n")
    with ParserPool(2, 60, 1024) as pool:
        assert pool.submit(path).result(timeout=60) == parse_file(path)
        error = pool.submit(tmp_path / "gone.md").exception(timeout=60)
    assert isinstance(error, ParseError)
    assert (error.title, error.stage) == ("The file cannot be read", "read")


@pytest.mark.parametrize(
    ("name", "title", "message"),
    [
        ("crash", "The parser crashed", "SIGSEGV"),
        ("exit", "The parser crashed", "exit code 3"),
        ("lie", "The parser answered nonsense", "outside"),
        ("garbage", "The parser crashed", ""),
    ],
)
def test_a_dead_or_lying_worker_costs_one_file(pool: ParserPool, name: str, title: str, message: str) -> None:
    before, bad, after = pool.submit("before"), pool.submit(name), pool.submit("after")
    assert before.result(timeout=60).text == "text of before"
    error = bad.exception(timeout=60)
    assert isinstance(error, ParseError)
    assert error.title == title
    assert message in error.message
    assert after.result(timeout=60).text == "text of after"


def test_a_hang_ends_at_the_time_limit(command: list[str]) -> None:
    with ParserPool(1, timeout_seconds=1, memory_mb=600, command=command) as pool:
        error = failure(pool, "hang")
        assert error.title == "Parsing took too long"
        assert "1 second" in error.message
        assert "timeout_seconds" in error.hint
        assert pool.submit("after").result(timeout=60).text == "text of after"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_a_swelling_document_ends_at_the_memory_limit(pool: ParserPool) -> None:
    error = failure(pool, "swell")
    assert error.title == "Too much memory"
    assert "600 MB" in error.message
    assert "memory_mb" in error.hint
    assert pool.submit("after").result(timeout=60).text == "text of after"


def test_what_libraries_print_goes_to_the_log(
    pool: ParserPool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pool.submit("noise").result(timeout=60).text == "text of noise"
    assert sorted((tmp_path / "log").read_text().split("\n")) == ["", "noise on one", "noise on two", "printed"]
    assert capfd.readouterr() == ("", "")


def test_workers_stay_warm_under_a_parent_that_holds_more_than_they_may(pool: ParserPool) -> None:
    """A new process inherits its parent's peak in Linux's accounts."""
    hoard = bytearray(400_000_000)
    hoard[::4096] = b"x" * len(hoard[::4096])
    first, second = (pool.submit(f"/pid-{n}.txt").result() for n in (1, 2))
    assert len(hoard) and first.text == second.text


def test_workers_stay_warm_and_give_way(pool: ParserPool) -> None:
    first, second = pool.submit("pid1").result(timeout=60), pool.submit("pid2").result(timeout=60)
    assert first.text == second.text
    assert int(first.title) >= os.nice(0) + 5


def test_work_that_asks_for_time_gets_it_up_to_a_bound(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with ParserPool(1, timeout_seconds=1, memory_mb=600, command=command) as pool:
        pool.submit("warm").exception(timeout=60)
        assert pool.submit("patient3").result(timeout=60).text == "text of patient3"
        monkeypatch.setattr("ragterm.engine.documents.workers.MAX_MORE_SECONDS", 0.1)
        assert isinstance(pool.submit("patient9").exception(timeout=60), ParseError)


def test_a_worker_killed_between_files_is_replaced_in_silence(pool: ParserPool) -> None:
    first = pool.submit("pid1").result(timeout=60)
    os.kill(int(first.text), signal.SIGKILL)
    second = pool.submit("pid2").result(timeout=60)
    assert second.text != first.text


def test_pending_work_can_be_cancelled_and_closing_ends_everything(command: list[str]) -> None:
    pool = ParserPool(1, timeout_seconds=60, memory_mb=600, command=command)
    assert pool.submit("warm").result(timeout=60)
    running, pending, last = pool.submit("hang"), pool.submit("b"), pool.submit("c")
    while not running.running():
        time.sleep(0.01)
    assert pending.cancel()
    (child,) = pool.pids()
    pool.close()
    pool.close()
    assert isinstance(running.exception(timeout=5), Cancelled)
    with pytest.raises(CancelledError):
        last.result(timeout=5)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    with pytest.raises(Cancelled):
        pool.submit("late")


def test_many_threads_may_submit(command: list[str]) -> None:
    results: list[str] = []
    with ParserPool(2, timeout_seconds=60, memory_mb=600, command=command) as pool:

        def ask(number: int) -> None:
            results.extend(pool.submit(f"n{number}-{i}").result(timeout=60).title for i in range(5))

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(pool.pids()) == 2
    assert sorted(results) == sorted(f"n{n}-{i}" for n in range(4) for i in range(5))


ORPHANING = """
import os, sys
from ragterm.engine.documents.workers import ParserPool
pool = ParserPool(1, 60, 600, command=[sys.executable, sys.argv[1]])
print(pool.submit("pid").result().text, flush=True)
os._exit(9)
"""


def test_a_worker_whose_parent_died_goes_too(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHANING, command[1]],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    child = int(done.stdout)
    for _ in range(500):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{child}/stat")
        if state.exists() and ") Z " in state.read_text():  # ended; nobody collects it in a bare container
            return
        time.sleep(0.02)
    pytest.fail("the orphan lives on")


def test_a_worker_imports_no_library_before_it_needs_it(tmp_path: Path) -> None:
    script = (
        "import sys; from ragterm.engine.documents import worker, workers, parsers, sources; "
        "print([m for m in ('numpy', 'torch', 'onnxruntime', 'lxml', 'pypdfium2', 'pypdf', 'trafilatura', 'markdown_it', 'chardet') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_folder_with_modules_of_its_own_is_not_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started in a folder of downloads, the worker must not take `json.py` there for Python's."""
    (tmp_path / "json.py").write_text("raise SystemExit('planted')")
    (tmp_path / "a.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    with ParserPool(1, 60, 1024) as pool:
        assert pool.submit(tmp_path / "a.txt").result(timeout=60).text == "words"


DOCUMENT = ParsedDocument(
    "Héading\n\ntext \U0001f600",
    (Block("heading", 0, 7, 1, (), 1), Block("paragraph", 9, 15, 2, ("Héading",))),
    "Title",
    "pdf",
    "x",
    2,
    {"author": "A"},
    ("w",),
)


def roundtrip(header: dict[str, object], text: str) -> tuple[dict[str, object], str]:
    import io

    stream = io.BytesIO()
    write_frame(stream, header, text)
    stream.seek(0)
    return read_frame(stream)


def test_frames_carry_documents_and_errors_unchanged() -> None:
    header, text = roundtrip(document_header(DOCUMENT), DOCUMENT.text)
    assert error_from(header) is None
    assert document_from(header, text) == DOCUMENT
    error = error_from(roundtrip(error_header(ParseError("T", "m \udcff", "h", stage="read")), "")[0])
    assert error is not None
    assert (error.title, error.message, error.hint, error.stage) == ("T", "m \udcff", "h", "read")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda h: h.pop("blocks"),
        lambda h: h.update(kind="exe"),
        lambda h: h["blocks"].__setitem__(0, ["heading", 0, 99, 1, 0, 1]),
        lambda h: h["blocks"].__setitem__(0, ["virus", 0, 2, 1, 0, 1]),
        lambda h: h["blocks"].__setitem__(1, ["paragraph", 0, 2, 1, 0, 1]),
        lambda h: h["blocks"].__setitem__(0, ["heading", 0, 2, 1, 9, 1]),
        lambda h: h["blocks"].__setitem__(0, "nonsense"),
        lambda h: h.update(metadata=[]),
    ],
)
def test_a_header_that_does_not_fit_its_text_is_refused(spoil: Callable[[dict[str, object]], object]) -> None:
    header, text = roundtrip(document_header(DOCUMENT), DOCUMENT.text)
    spoil(header)
    with pytest.raises(BrokenFrame):
        document_from(header, text)
