"""What holds for every test: no state, cache or language model of the person who runs them is touched."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["support.corpus"]


def pytest_configure(config: pytest.Config) -> None:
    # Workers inherit the environment, so the export of the model and the compiled kernels are made once for all of them, and
    # kept beside pytest's own cache for the next run.
    if getattr(config, "cache", None) is not None:  # absent with `-p no:cacheprovider`
        os.environ.setdefault("RAGTERM_CACHE", str(config.cache.mkdir("ragterm")))
    workers = getattr(config.option, "numprocesses", None)
    if workers:
        # Neighbours in one worker: they share what a module or a session makes, and the last worker to end is helped by the others.
        config.option.dist = "worksteal"
        for name in (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
        ):  # of each worker; more than there are cores wait for each other
            os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // workers)))
    os.environ["OLLAMA_HOST"] = "127.0.0.1:1"
    os.environ.pop("RAGTERM_HOME", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("RAGTERM_TEST_DATA"):
        return
    skip = pytest.mark.skip(reason="RAGTERM_TEST_DATA names no folder of test data")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _nothing_is_compiled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled kernels take the place of the plain ones for the rest of the process, where only kernels can call them. Tests of
    compiled code run in processes of their own; here the plain ones are as warm as they get."""
    from ragterm.engine.vectors import execution, warm

    def note(family: str = "graph") -> None:
        monkeypatch.setattr(execution, "_warm", execution._warm | {family})

    monkeypatch.setattr(warm, "warm", note)
    monkeypatch.setattr(execution, "_warm", execution._warm)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """A file's bytes are no name: archives carry the time, and workers that run tests in parallel must agree on what there is."""
    return argname if isinstance(val, bytes) else None
