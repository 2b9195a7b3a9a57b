"""One source, two executions: every function marked `@kernel` is plain Python until `compile_kernels()` turns all of them
into machine code, in this process, once.

Interpreted is the reference: it needs no numba, starts at once and is what a single query of the Layers pane runs on.
Compiled is the product: the graph is built in a child process that calls `compile_kernels()` first. The idea is bm25s':
one kernel source, and a test which says that the two agree.

The compiled code is kept on disk (`numba_cache_folder`), keyed by the source of all kernels: numba itself notices only a
change in the file of the function it is about to load, not in the files of the functions that were inlined into it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

KERNEL_MODULES = tuple(
    f"ragterm.engine.vectors.{name}"
    for name in ("kernels", "walk_log", "hnsw", "connect", "search", "scan", "signs", "estimate", "pq", "ivf_search")
)
_OTHER_SOURCES = tuple(
    f"ragterm.engine.vectors.{name}" for name in ("instructions", "intrinsics", "sign_intrinsics", "avx2_intrinsics")
)

_loops: dict[Callable[..., Any], Callable[..., Any]] = {}
_entries: set[Callable[..., Any]] = set()
_inlined: set[Callable[..., Any]] = set()
_leaves: set[Callable[..., Any]] = set()
_summing: set[Callable[..., Any]] = set()
_finite: set[Callable[..., Any]] = set()
_lock = threading.Lock()
_compiled = False
_warm: frozenset[str] = frozenset()


def kernel(function: Function) -> Function:
    """Mark `function` as a kernel: it is compiled by `compile_kernels()`, until then it runs as it stands. Once compiled it can be
    called by other kernels only, which makes it a fifth quicker to compile."""
    _loops[function] = function
    return function


def inlined_kernel(function: Function) -> Function:
    """Mark a small kernel whose instructions are put where it is called: a call would copy every array of a tuple it is handed."""
    _inlined.add(function)
    return kernel(function)


def summing_kernel(function: Function) -> Function:
    """Mark a small kernel whose sums of floats may be taken in any order, and so in parallel."""
    _summing.add(function)
    return inlined_kernel(function)


def fast_kernel(function: Function) -> Function:
    """The same, of floats that are no NaN."""
    _finite.add(function)
    return summing_kernel(function)


def entry_kernel(function: Function) -> Function:
    """Mark `function` as a kernel that Python calls, compiled or not."""
    _entries.add(function)
    return kernel(function)


def leaf(function: Function) -> Function:
    """Mark a kernel that a module of instructions may have under the same name, for processors that have them."""
    _leaves.add(function)
    return kernel(function)


def interpreted_as(fast: Function, reassociate: bool = False) -> Callable[[Function], Function]:
    """Mark a leaf kernel whose loop would crawl in plain Python: until it is compiled, `fast` (numpy, the same result to the
    last bit) stands in for it. `reassociate`: a sum of floats may be taken in any order, and so in parallel."""

    def mark(loop: Function) -> Function:
        fast.__name__ = loop.__name__
        _loops[fast] = loop
        _leaves.add(fast)
        if reassociate:
            _summing.add(fast)
        return fast

    return mark


def loop_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The plain loop behind a leaf kernel: the oracle for the other two forms."""
    return _loops[function]


class Box:
    """A tuple of arrays that kernels take as `box.value`. Numba looks at every array of a tuple at every call from Python, a fifth of a
    microsecond each; a box it takes whole."""

    def __init__(self, value: Any) -> None:
        self.value = value


def boxed(value: Any) -> Any:
    """`value` in a `Box`, or in its compiled equivalent."""
    if not _compiled:
        return Box(value)
    from ragterm.engine.vectors.boxes import CompiledBox

    return CompiledBox(value)


def is_warm(family: str = "graph") -> bool:
    """Whether every kernel that an index calls is there as machine code: a call waits for no compiler. Those of a graph and those of
    inverted lists ("lists") are two families: who needs one does not wait for the other."""
    return family in _warm


def note_warm(family: str = "graph") -> None:
    global _warm
    if _compiled:
        _warm |= {family}


def is_compiled() -> bool:
    """Whether the kernels of this process run as machine code."""
    return _compiled


def compile_kernels() -> bool:
    """Replace every kernel of this process by its compiled form and say whether that happened.

    Each is compiled, or loaded from the disk cache, at its first call. With NUMBA_DISABLE_JIT=1 numba hands back the plain
    loops: the result is then False, and the loops run instead of their numpy stand-ins.
    """
    global _compiled
    import numba

    with _lock:
        if _compiled:
            return True
        on_disk = _use_cache_folder(numba)
        modules = [import_module(name) for name in KERNEL_MODULES]
        instructions = _instructions(numba)
        machine = {
            plain: instructions[loop.__name__]
            if plain in _leaves and loop.__name__ in instructions
            else numba.njit(
                cache=on_disk,
                nogil=True,
                error_model="numpy",
                no_cpython_wrapper=plain not in _entries,
                forceinline=plain in _inlined,
                _nrt=plain in _entries,
                fastmath=_liberties(plain),
            )(loop)
            for plain, loop in _loops.items()
        }
        # A module that imported a kernel by name holds a reference of its own: all of them are exchanged.
        for module in modules:
            for name, value in list(vars(module).items()):
                if callable(value) and getattr(value, "__hash__", None) and value in machine:
                    setattr(module, name, machine[value])
        _compiled = not numba.config.DISABLE_JIT
        return _compiled


def _liberties(function: Callable[..., Any]) -> Any:
    """What LLVM may assume of a kernel's floats."""
    if function not in _summing:
        return False
    return {"reassoc", "nsz", "contract"} | ({"nnan"} if function in _finite else set())


def _instructions(numba: Any) -> dict[str, Any]:
    """What the modules of instructions hold for the processor that is compiled for."""
    if numba.config.DISABLE_JIT:
        return {}
    from ragterm.engine.vectors import avx2_intrinsics, instructions, intrinsics, sign_intrinsics

    if intrinsics.supported():
        return vars(instructions) | vars(intrinsics) | vars(sign_intrinsics)
    return vars(instructions) | (vars(avx2_intrinsics) if avx2_intrinsics.supported() else {})


def numba_cache_folder() -> Path:
    """Where the compiled kernels of exactly this source, Python and machine lie: RAGTERM_CACHE or the user's cache folder."""
    from platformdirs import user_cache_dir

    digest = hashlib.sha256(f"{sys.version} {platform.machine()} {platform.node()}".encode())
    for name in KERNEL_MODULES + _OTHER_SOURCES:
        digest.update(Path(__file__).with_name(name.rpartition(".")[2] + ".py").read_bytes())
    return Path(os.environ.get("RAGTERM_CACHE") or user_cache_dir("ragterm")) / "numba" / digest.hexdigest()[:16]


def _use_cache_folder(numba: Any) -> bool:
    """Point numba at our folder, unless the user chose one. False when nothing can be written there: compile in memory then."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or numba_cache_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    if not os.access(folder, os.W_OK):
        return False
    numba.config.CACHE_DIR = str(folder)
    return True
