"""Subtitles (SubRip, WebVTT, SubStation Alpha): what is said, in paragraphs that open with their time.

The text is rendered. A cue is half a sentence on a screen; a passage that can be found and cited is some of them together, up to a
pause, another speaker or enough sentences, and `[00:12:34]` before it says where in the film it stands. Longer recordings
have a section for every ten minutes, so that a citation can say the time too.

Read by hand, after https://www.w3.org/TR/webvtt1/ (section 4) and http://www.tcax.org/docs/ass-specs.htm: pysubs2, the reference of
the tests, gives a whole file up for one bad style line or time stamp, takes WebVTT's notes for speech and loses its speakers.
Every expression here is linear: its parts exclude each other's characters.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.encodings import decoded_text
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

_STAMP = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[,.:](\d{1,3}))?"
_TIMING = re.compile(rf"\s{{0,8}}{_STAMP}\s{{0,8}}-{{1,3}}>\s{{0,8}}{_STAMP}")
_ASS_STAMP = re.compile(_STAMP)
_NUMBER = re.compile(r"\s{0,8}\d{1,9}\s{0,8}")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,200})?[ \t]([^<>\n]{1,200})>")
_RUBY = re.compile(r"<rt>[^<>]{0,200}</rt>")
_TAG = re.compile(r"</?[A-Za-z0-9][^<>]{0,500}>")
_OVERRIDE = re.compile(r"\{[^{}]{0,2000}\}")
_DRAWING = re.compile(r"\\p[1-9]")
_NAMED = re.compile(r"(?:-\s?)?([A-Z][A-Z0-9 .'’&#-]{1,30}(?:\([^()]{1,30}\))?):\s+(?=\S)")
_ENDS = (".", "!", "?", "…", '."', '?"', '!"', ".”", "?”", "!”", "。", "？", "！", "؟", "।", "♪")
_PAUSE = 2.5
"""Seconds of silence that part two paragraphs."""
_ENOUGH, _TOO_MUCH = 280, 900
"""Characters after which a paragraph ends with the next sentence, and after which it ends with the next cue."""
_SECTION = 600
"""Seconds of a section."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen from `start` to `end` (seconds)."""

    start: float
    end: float
    speaker: str
    text: str


def parse_subtitles(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError where no line of the file says when something is shown."""
    text, warnings = decoded_text(data, path)
    builder = DocumentBuilder()
    builder.warnings += warnings
    metadata: dict[str, str] = {}
    if path.suffix.lower() in (".ass", ".ssa") or "[Script Info]" in text[:2000] or "[Events]" in text[:2000]:
        cues = list(_substation(text, metadata, builder.warnings))
    else:
        cues = list(_timed(text, metadata, builder.warnings))
    shown = _without_repetition(sorted(cues, key=lambda cue: cue.start))
    if not shown:
        raise ParseError(
            "No text",
            "no line of it says when something is shown" if not cues else "its subtitles hold no words",
            "check that it is a subtitle file (SRT, VTT, ASS)",
        )
    length = max(cue.end for cue in shown)
    for paragraph in _paragraphs(shown):
        if length > _SECTION:
            window = int(paragraph[0].start // _SECTION)
            builder.sections.enter(1, f"from {clock(window * _SECTION)}")
        speaker = f"{paragraph[0].speaker}: " if paragraph[0].speaker else ""
        said = " ".join(cue.text for cue in paragraph)
        builder.add("paragraph", f"[{clock(paragraph[0].start)}] {speaker}{said}")
    metadata["duration"] = clock(length)
    title = metadata.pop("title", "") or path.stem
    return builder.finish(title=title, kind="subtitles", parser="cues", metadata=metadata)


def clock(seconds: float) -> str:
    """`01:02:03`."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)


def _timed(text: str, metadata: dict[str, str], warnings: list[str]) -> Iterator[Cue]:
    """The cues of SubRip and WebVTT: a line with two times, the lines below it up to the next blank one.

    Files disagree about blank lines (inside a cue, or none between two), so a cue reaches to the next timing, without the number
    or identifier right above that. Notes, styles and regions begin after a blank line and end at the next."""
    lines = text.split("\n")
    is_vtt = lines[0].startswith("WEBVTT")
    if is_vtt and (title := lines[0].removeprefix("WEBVTT").strip(" \t-")):
        metadata["title"] = title[:200]
    span: tuple[float, float] | None = None
    body: list[str] = []
    aside = is_vtt
    blank, unread = True, 0
    for line in [*lines, ""]:
        if found := _TIMING.match(line):
            if span and body:
                if is_vtt and len(body) > 1 and not body[-2]:
                    body.pop()  # its identifier: after a blank line, whatever it says
                elif _NUMBER.fullmatch(body[-1]):
                    body.pop()
            if span:
                yield from _spoken(*span, body)
            groups = found.groups()
            span, body, aside = (_seconds(*groups[:4]), _seconds(*groups[4:])), [], False
        elif not line.strip():
            aside = False
            if body:
                body.append("")
        elif is_vtt and blank and line.startswith(("NOTE", "STYLE", "REGION")):
            aside = True
        elif "-->" in line and not aside:
            unread += 1
            if span:
                yield from _spoken(*span, body)
            span, body = None, []
        elif not aside:
            body.append(line)
        elif is_vtt and span is None and ":" in line and (key := line.partition(":")[0].strip().lower()) == "language":
            metadata[key] = line.partition(":")[2].strip()[:40]
        blank = not line.strip()
    if span:
        yield from _spoken(*span, body)
    if unread:
        warnings.append(f"{unread} {'cue' if unread == 1 else 'cues'} left out: the times cannot be read")


def _spoken(start: float, end: float, lines: list[str]) -> Iterator[Cue]:
    """A cue for each speaker in it."""
    raw = _OVERRIDE.sub("", _RUBY.sub("", "\n".join(lines).strip()))
    speaker = ""
    at = 0
    pieces: list[tuple[str, str]] = []
    for voice in _VOICE.finditer(raw):
        pieces.append((speaker, raw[at : voice.start()]))
        speaker, at = voice.group(1).strip(), voice.end()
    pieces.append((speaker, raw[at:]))
    for who, piece in pieces:
        plain = html.unescape(_TAG.sub("", piece))
        if said := " ".join(plain.split()):
            yield _with_speaker(start, end, html.unescape(who), said)


def _with_speaker(start: float, end: float, speaker: str, said: str) -> Cue:
    """`MARY: Hello` names its speaker in capitals, as subtitles for the hard of hearing do."""
    if not speaker and (named := _NAMED.match(said)):
        speaker, said = named.group(1).strip(), said[named.end() :]
    return Cue(start, max(start, end), speaker, said)


def _substation(text: str, metadata: dict[str, str], warnings: list[str]) -> Iterator[Cue]:
    """The dialogue of SubStation Alpha, its fields in the order that the `Format:` line gives."""
    section = ""
    fields = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
    unread = 0
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line.lower()
            continue
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if section == "[script info]" and key == "Title":
            metadata["title"] = value.strip()[:200]
        elif section == "[script info]" and key == "Original Script":
            metadata["author"] = value.strip()[:200]
        elif section == "[events]" and key == "Format":
            given = [name.strip().lower() for name in value.split(",", 30)]
            fields = given if {"start", "end", "text"} <= set(given) else fields
        elif key == "Dialogue":
            found = dict(zip(fields, value.strip().split(",", len(fields) - 1), strict=False))
            start, end = (
                _ASS_STAMP.match(found.get("start", "").strip()),
                _ASS_STAMP.match(found.get("end", "").strip()),
            )
            said = found.get("text", "")
            if start is None or end is None:
                unread += 1
                continue
            if _DRAWING.search(said):
                continue
            said = _OVERRIDE.sub("", said).replace("\\N", " ").replace("\\n", " ").replace("\\h", " ")
            if said := " ".join(said.split()):
                speaker = found.get("name", "").strip()[:100]
                yield _with_speaker(_seconds(*start.groups()), _seconds(*end.groups()), speaker, said)
    if unread:
        warnings.append(f"{unread} {'line' if unread == 1 else 'lines'} left out: the times cannot be read")


def _without_repetition(cues: list[Cue]) -> list[Cue]:
    """Captions that roll say each line twice, first below, then above the next one: what the last cue ended with is said once."""
    kept: list[Cue] = []
    for cue in cues:
        last = kept[-1] if kept else None
        said = cue.text
        if last is not None and cue.start - last.end < _PAUSE and cue.speaker in ("", last.speaker):
            if said == last.text:
                kept[-1] = Cue(last.start, cue.end, last.speaker, last.text)
                continue
            if said.startswith(last.text + " "):
                said = said[len(last.text) + 1 :]
        if said:
            kept.append(Cue(cue.start, cue.end, cue.speaker, said))
    return kept


def _paragraphs(cues: list[Cue]) -> Iterator[list[Cue]]:
    open_: list[Cue] = []
    length = 0
    for cue in cues:
        if open_:
            last = open_[-1]
            ended = last.text.endswith(_ENDS)
            if (
                cue.speaker != open_[0].speaker
                or cue.start - last.end > _PAUSE
                or length > _TOO_MUCH
                or (ended and (length > _ENOUGH or cue.start // _SECTION != last.start // _SECTION))
            ):
                yield open_
                open_, length = [], 0
        open_.append(cue)
        length += len(cue.text) + 1
    if open_:
        yield open_
