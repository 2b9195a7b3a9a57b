"""The queue: what is taken, what comes back, and who may work on it. The lock: one holder, and who it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ragterm.engine.store import CollectionStore, FileRecord, IndexerLock, NewJob, Owner
from ragterm.engine.store.jobs import TRIES_IN_COMPANY
from ragterm.engine.store.leases import process_start
from ragterm.engine.types.errors import BusyError
from ragterm.engine.types.ingesting import DocumentOutcome

ME = Owner.this_process()
DEAD = Owner(2**22 + 4242, "1")


@pytest.fixture
def store(tmp_path: Path):
    with CollectionStore(tmp_path) as store:
        yield store


def jobs_of(*names: str) -> list[NewJob]:
    return [NewJob("remove" if name.startswith("-") else "ingest", f"id-{name}", f"/docs/{name}", 10) for name in names]


def taken(store: CollectionStore, limit: int = 10, first: tuple[int, ...] = ()) -> list[str]:
    return [Path(job.path).name for job in store.jobs.take(limit, first)]


def test_jobs_are_taken_once_in_order_removals_last(store):
    store.jobs.open_request(ME, jobs_of("b", "-gone", "a"))
    assert taken(store, 2) == ["b", "a"]
    assert taken(store) == ["-gone"]
    assert taken(store) == []
    assert store.jobs.left() == (3, 30)


def test_own_requests_come_first(store):
    store.jobs.open_request(ME, jobs_of("a"))
    mine = store.jobs.open_request(ME, jobs_of("z"))
    assert taken(store, 1, (mine,)) == ["z"]


def test_outcomes_are_kept_until_the_request_is_finished(store):
    request = store.jobs.open_request(ME, jobs_of("a", "b"))
    first, second = store.jobs.take(2)
    outcome = DocumentOutcome("/docs/a", "failed", "id-a", warnings=("odd",), stage="parse", error="e", hint="h")
    store.jobs.done(first.id, outcome)
    assert store.jobs.outcomes([request]) == [outcome]
    assert store.jobs.left([request]) == (1, 10)
    store.jobs.take_back([second])
    assert taken(store) == ["b"]
    store.jobs.finish([request])
    assert store.jobs.left() == (0, 0) and store.jobs.outcomes([request]) == []


def test_a_stopped_request_waits_for_someone_to_adopt_it(store):
    request = store.jobs.open_request(ME, jobs_of("a"))
    assert store.jobs.unfinished() == 0  # its owner is at it
    store.jobs.stop(request)
    assert taken(store) == [] and store.jobs.unfinished() == 1
    assert store.jobs.adopt(ME) == [request]
    assert store.jobs.unfinished() == 0 and taken(store) == ["a"]


def test_the_jobs_of_the_dead_are_unfinished_and_are_taken_over(store):
    store.jobs.open_request(DEAD, jobs_of("a", "b"))
    assert store.jobs.unfinished() == 2
    assert taken(store, 1) == ["a"]  # any indexer works on them
    store.jobs.recover()
    assert sorted(taken(store)) == ["a", "b"]


def test_a_new_request_stands_for_the_same_files_of_old_ones(store):
    store.jobs.open_request(DEAD, jobs_of("a", "b"))
    store.jobs.take(1)
    store.jobs.recover()
    alive = store.jobs.open_request(ME, jobs_of("c"))
    store.jobs.open_request(ME, jobs_of("a", "c"))
    assert store.jobs.left()[0] == 4  # a, c and the living request's c; b of the dead one
    jobs = store.jobs.take(10)
    assert sorted((job.path, job.tries) for job in jobs) == [
        ("/docs/a", 2),
        ("/docs/b", 1),
        ("/docs/c", 1),
        ("/docs/c", 1),
    ]
    assert alive in {job.request for job in jobs}


def test_what_was_being_read_at_two_deaths_is_worked_on_alone(store):
    store.jobs.open_request(ME, jobs_of("a", "b"))
    for _ in range(TRIES_IN_COMPANY):
        _, b = store.jobs.take(2)
        store.jobs.harmless([b])
        store.jobs.recover()
    assert taken(store) == ["b"]
    alone = store.jobs.take_alone()
    assert alone is not None and alone.path == "/docs/a" and alone.tries == TRIES_IN_COMPANY + 1
    assert store.jobs.take_alone() is None


def test_a_file_of_a_request_can_be_done_once_more(store):
    request = store.jobs.open_request(ME, jobs_of("a"))
    (job,) = store.jobs.take(1)
    store.jobs.done(job.id, DocumentOutcome("/docs/a", "duplicate", "id-a"))
    store.jobs.add(request, jobs_of("a"))
    (job,) = store.jobs.take(1)
    store.jobs.done(job.id, DocumentOutcome("/docs/a", "added", "id-a"))
    assert [one.outcome for one in store.jobs.outcomes([request])] == ["added"]


def test_finished_requests_of_the_dead_are_cleared_away(store):
    request = store.jobs.open_request(DEAD, jobs_of("a"))
    (job,) = store.jobs.take(1)
    store.jobs.done(job.id, DocumentOutcome("/docs/a", "added", "id-a"))
    store.jobs.recover()
    assert store.jobs.outcomes([request]) == []


def test_signs_of_life(store):
    request = store.jobs.open_request(ME, jobs_of("a"))
    store.jobs.beat([request], ME)
    owner, heartbeat = store.jobs.indexer()
    assert owner == ME and abs(time.time() - heartbeat) < 60


# Owners


def test_an_owner_is_alive_while_its_very_process_runs():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(child.pid, process_start(child.pid))
    assert owner.start != "" and owner.alive(0.0)
    assert not Owner(child.pid, "another start").alive(time.time())
    child.communicate()
    assert not owner.alive(time.time())
    assert ME.alive(0.0)


def test_without_a_start_time_the_heartbeat_decides():
    owner = Owner(os.getppid(), "")
    assert owner.alive(time.time()) and not owner.alive(time.time() - 3600)


# The lock


def test_one_holder_at_a_time_and_its_name(tmp_path):
    first, second = IndexerLock(tmp_path), IndexerLock(tmp_path)
    with first:
        with pytest.raises(BusyError, match=str(os.getpid())):
            second.acquire()
        assert not second.try_acquire()
        assert second.holder() == os.getpid()
    assert second.try_acquire()
    second.release()
    second.release()


def test_the_lock_dies_with_its_holder_but_not_before(tmp_path):
    code = (
        "import subprocess, sys; from pathlib import Path; from ragterm.engine.store import IndexerLock\n"
        "lock = IndexerLock(Path(sys.argv[1])); lock.acquire()\n"
        # A child that lives on, as a parser does for a moment, must not keep the lock.
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=sys.stdin, stdout=subprocess.DEVNULL)\n"
        "print('held', flush=True); child.wait()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=str(holder.pid)):
        IndexerLock(tmp_path).acquire()
    holder.kill()
    holder.wait()
    with IndexerLock(tmp_path):
        pass
    holder.communicate()


def test_members_of_containers_come_before_other_files(store):
    store.jobs.open_request(ME, jobs_of("b.zip", "a.zip!/x.md", "Important!/y.md", "c.md"))
    assert [job.path for job in store.jobs.take(2)] == ["/docs/a.zip!/x.md", "/docs/Important!/y.md"]
    assert taken(store) == ["b.zip", "c.md"]


def test_files_that_need_no_work_and_jobs_that_are_out_of_date(store):
    old = store.jobs.open_request(ME, [NewJob("remove", "id-m", "/docs/m"), *jobs_of("n")])
    request = store.jobs.open_request(ME, jobs_of("a"))
    record = FileRecord("id-s", "/docs/s", "skipped", "", 3, 0)
    outcome = DocumentOutcome("/docs/s", "skipped", "id-s", error="why")
    store.jobs.add_done(request, [(record, outcome)])
    assert store.jobs.outcomes([request]) == [outcome] and store.jobs.left([request]) == (1, 10)
    store.jobs.overrule(request, [NewJob("ingest", "id-m", "/docs/m"), NewJob("ingest", "id-n", "/docs/n")])
    assert [job.path for job in store.jobs.take(9, (old,))] == ["/docs/n", "/docs/a"]


def test_what_was_left_over(store):
    store.jobs.stop(store.jobs.open_request(ME, jobs_of("a", "-b")))
    store.jobs.open_request(DEAD, jobs_of("c"))
    store.jobs.open_request(ME, jobs_of("d"))
    assert sorted(job.path for job in store.jobs.left_over()) == ["/docs/a", "/docs/c"]
