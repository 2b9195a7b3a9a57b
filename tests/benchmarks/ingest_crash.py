"""`kill -9` at ten random moments of a real ingest: real model, real parser processes, real files.

    RAGTERM_TEST_DATA=... python tests/benchmarks/ingest_crash.py [--files 150] [--kills 10] [--seed 1]

Prints what was left after each kill and, at the end, whether the collection is the one that an undisturbed ingest makes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def child(home: str, paths: list[str]) -> None:
    """What `ragterm ingest` does."""
    from ragterm.engine.engine import Engine

    engine = Engine.open(Path(home))
    print("ready", flush=True)
    report = engine.ingest(paths)
    print(json.dumps(report.counts), flush=True)
    engine.close()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=150)
    arguments.add_argument("--kills", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--longest", type=float, default=12.0, help="seconds until a kill, at most")
    arguments.add_argument("--child", nargs=2)
    options = arguments.parse_args()
    if options.child:
        child(options.child[0], json.loads(options.child[1]))
        return
    data = os.environ.get("RAGTERM_TEST_DATA")
    if not data:
        sys.exit("set RAGTERM_TEST_DATA to the folder of test data")

    from ragterm.engine.ingest import audit, unfinished
    from ragterm.engine.store import CollectionStore

    rng = random.Random(options.seed)
    kinds = {"markdown": "*.md", "pdf": "*.pdf", "docx": "*.docx"}
    files = [str(p) for kind, what in kinds.items() for p in sorted((Path(data) / "files" / kind).rglob(what))]
    rng.shuffle(files)
    files = sorted(files[: options.files])

    def start(home: Path) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, "--child", str(home), json.dumps(files)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    def contents(store: CollectionStore) -> dict[str, object]:
        return {
            row.path: (row.state, [(c.id, c.start, c.end, c.text) for c in store.chunks.of_document(row.id)])
            for row in store.documents.rows()
            if row.state != "duplicate"
        }

    with tempfile.TemporaryDirectory() as folder:
        killed, whole = Path(folder) / "killed", Path(folder) / "whole"
        for kill in range(options.kills):
            process = start(killed)
            moment = rng.uniform(0.0, options.longest)
            time.sleep(moment)
            early = process.poll() is not None
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            where = killed / "collections" / "default"
            if not (where / "store.sqlite3").exists():
                print(f"kill {kill + 1} after {moment:.1f} s: nothing there yet", file=sys.stderr)
                continue
            with CollectionStore(where) as store:
                states = [row.state for row in store.documents.rows()]
                line = f"indexed {states.count('indexed')}, failed {states.count('failed')}, unfinished {unfinished(store)}"
                ended = " (it had ended by itself)" if early else ""
                print(f"kill {kill + 1} after {moment:.1f} s{ended}: {line}; problems: {audit(store)}", file=sys.stderr)
        counts = [start(home).communicate()[0].strip() for home in (killed, whole)]
        stores = [CollectionStore(home / "collections" / "default") for home in (killed, whole)]
        problems = [audit(store) for store in stores]
        same = contents(stores[0]) == contents(stores[1])
        different = [path for path, one in contents(stores[1]).items() if contents(stores[0]).get(path) != one]
        print(
            json.dumps(
                {"files": len(files), "same": same, "different": different, "problems": problems, "last": counts}
            )
        )
        for store in stores:
            store.close()


if __name__ == "__main__":
    main()
