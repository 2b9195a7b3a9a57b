"""E-mails and archives, built with the standard library, for tests."""

from __future__ import annotations

import io
import tarfile
import zipfile
from email.message import EmailMessage
from pathlib import Path

Files = dict[str, bytes | str]


def as_bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def zip_of(files: Files, **options: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), as_bytes(content), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def tar_of(files: Files, mode: str = "w", extra: list[tarfile.TarInfo] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(as_bytes(content))
            archive.addfile(info, io.BytesIO(as_bytes(content)))
        for info in extra or []:
            archive.addfile(info)
    return target.getvalue()


def mail_of(body: str, attachments: Files | None = None, html: str = "", **headers: str) -> bytes:
    message = EmailMessage()
    for name, value in {"From": "Ann <ann@example.org>", "Subject": "Greetings", **headers}.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in (attachments or {}).items():
        message.add_attachment(as_bytes(content), maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
