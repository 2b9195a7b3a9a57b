"""Opens a file in the program that the desktop has for it. Only what is on disk and plainly a document: never what would be run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_RUN = {
    ".desktop",
    ".exe",
    ".bat",
    ".cmd",
    ".com",
    ".scr",
    ".msi",
    ".sh",
    ".command",
    ".app",
    ".jar",
    ".py",
    ".ps1",
    ".vbs",
}


def opener(platform: str = sys.platform) -> list[str] | None:
    """The desktop's command, None where there is none."""
    if platform == "darwin":
        return ["open"]
    found = shutil.which("xdg-open")
    return [found] if found else None


def open_file(path: str) -> str:
    """Ask the desktop to open it; returns what to tell the reader."""
    file = Path(path)
    if not file.is_file():
        return f"the file is not on disk: {path}"
    if file.suffix.lower() in _RUN or (os.name == "posix" and os.access(file, os.X_OK) and not file.suffix):
        return f"this kind of file might be run, so it is not opened from here: {path}"
    command = opener()
    if sys.platform == "win32":
        os.startfile(file)
    elif command is None:
        return f"there is no desktop to open it with: {path}"
    else:
        subprocess.Popen(
            [*command, str(file.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return f"opened {file.name}"
