"""What the parsers make of the test data, and the figures by which libraries were chosen.

    RAGTERM_TEST_DATA=... python tests/benchmarks/parsing.py [files|html|docx|encodings|pdf|survey]...

Without arguments everything runs. Nothing is asserted: the tests do that.
"""

from __future__ import annotations

import codecs
import json
import os
import platform
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import as_completed, wait
from importlib.metadata import version
from pathlib import Path
from statistics import median

from ragterm.engine.documents.encodings import decode
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.sources import survey
from ragterm.engine.documents.workers import ParserPool
from ragterm.engine.types.errors import ParseError

KINDS = ("pdf", "docx", "markdown", "html", "encodings", "other")
ROUNDS = 7
PASSES = 4
"""How often two workers read every PDF in a round: the file that ends last is then a small part of it."""


def squeezed(text: str) -> str:
    return " ".join(text.split())


def files(data: Path) -> None:
    """Every file through the pool: parsed or failed, seconds, reasons."""
    print("== every file, through a pool of two workers")
    for kind in KINDS:
        paths = survey([data / kind], 200).files
        reasons: Counter[str] = Counter()
        parsers: Counter[str] = Counter()
        text = 0
        start = time.perf_counter()
        with ParserPool(2, 60, 1536) as pool:
            for future in as_completed([pool.submit(path) for path in paths]):
                error = future.exception()
                if error is None:
                    document = future.result()
                    parsers[document.parser] += 1
                    text += len(document.text)
                elif isinstance(error, ParseError):
                    reasons[f"[{error.stage}] {error} -> {error.hint}"] += 1
                else:
                    reasons[f"NOT A PARSE ERROR: {error!r}"] += 1
        seconds = time.perf_counter() - start
        print(
            f"{kind:10s} {len(paths):4d} files: {sum(parsers.values())} parsed, {sum(reasons.values())} failed, {seconds:.1f} s, "
            f"{text / 1e6:.2f} M characters; {dict(parsers)}"
        )
        for reason, count in reasons.most_common():
            print(f"   {count:3d} x {reason}")


def html(data: Path) -> None:
    """Strings kept that must be kept, dropped that must go, on saved pages."""
    import trafilatura

    gold = json.loads((data / "html" / "gold.json").read_text(encoding="utf-8"))
    ours: Callable[[Path], str] = lambda path: parse_file(path).text  # noqa: E731
    print("== HTML: kept, dropped (percent)")
    for name, read in {
        "ragterm": ours,
        "trafilatura, defaults": lambda path: trafilatura.extract(path.read_bytes()),
        "trafilatura, fast, no comments": lambda path: trafilatura.extract(
            path.read_bytes(), fast=True, include_comments=False
        ),
        "trafilatura, precision": lambda path: trafilatura.extract(
            path.read_bytes(), favor_precision=True, include_comments=False
        ),
        "trafilatura, recall": lambda path: trafilatura.extract(
            path.read_bytes(), favor_recall=True, include_comments=False
        ),
    }.items():
        kept = dropped = keep = drop = 0
        start = time.perf_counter()
        for file, strings in gold.items():
            text = squeezed(read(data / "html" / file) or "")
            for string in strings["keep"]:
                keep += 1
                found = squeezed(string) in text
                kept += found
                if not found and name == "ragterm" and "-v" in sys.argv:
                    print("   lost:", file, "|", string)
            for string in strings["drop"]:
                drop += 1
                found = squeezed(string) in text
                dropped += not found
                if found and name == "ragterm" and "-v" in sys.argv:
                    print("   not dropped:", file, "|", string)
        print(f"{name:32s} {100 * kept / keep:5.1f} {100 * dropped / drop:5.1f}   {time.perf_counter() - start:.1f} s")


def docx(data: Path) -> None:
    """Words of the document's parts that each library finds. The reference is the raw XML: every text element that is not
    deleted, moved away, or a fallback's repetition."""
    import docx as python_docx
    import mammoth
    from lxml import etree
    from lxml import html as lxml_html

    def reference(path: Path) -> Counter[str]:
        words: Counter[str] = Counter()
        with zipfile.ZipFile(path) as archive:
            for part in archive.namelist():
                if re.fullmatch(r"word/(document|footnotes|endnotes)\d*\.xml", part):
                    tree = etree.fromstring(archive.read(part))
                    for paragraph in tree.iter("{*}p"):
                        above = {etree.QName(e).localname for e in paragraph.iterancestors()}
                        if "Fallback" in above:
                            continue
                        runs = []
                        for t in paragraph.iter("{*}t", "{*}tab", "{*}br"):
                            around = {etree.QName(e).localname for e in t.iterancestors()}
                            owner = next(e for e in t.iterancestors() if etree.QName(e).localname == "p")
                            if owner is paragraph and not around & {"del", "moveFrom", "Fallback"}:
                                runs.append(t.text or " " if etree.QName(t).localname == "t" else " ")
                        words.update("".join(runs).split())
        return words

    def by_python_docx(path: Path) -> str:
        return "\n".join(
            item.text if hasattr(item, "text") else "\n".join(cell.text for row in item.rows for cell in row.cells)
            for item in python_docx.Document(str(path)).iter_inner_content()
        )

    def by_mammoth(path: Path) -> str:
        with path.open("rb") as file:
            return mammoth.extract_raw_text(file).value

    def by_mammoth_html(path: Path) -> str:
        with path.open("rb") as file:
            value = mammoth.convert_to_html(
                file, convert_image=mammoth.images.img_element(lambda image: {"src": ""})
            ).value
        return "\n".join(lxml_html.fromstring(f"<div>{value}</div>").itertext())

    print("== DOCX: files read without error, words found, words that are not there (or twice)")
    paths = sorted((data / "docx").rglob("*.docx"))
    for name, read in {
        "ragterm": lambda path: parse_file(path).text,
        "mammoth, raw text": by_mammoth,
        "mammoth, HTML": by_mammoth_html,
        "python-docx": by_python_docx,
    }.items():
        found = wanted = extra = errors = 0
        start = time.perf_counter()
        for path in paths:
            words = reference(path)
            wanted += words.total()
            try:
                got = Counter(read(path).split())
            except ParseError as error:
                got = Counter()
                errors += error.title != "No text"
            except Exception:
                got, errors = Counter(), errors + 1
            found += (words & got).total()
            extra += (got - words).total()
        seconds = time.perf_counter() - start
        print(
            f"{name:20s} {len(paths) - errors}/{len(paths)} files, {found}/{wanted} words, {extra} more, {seconds:.1f} s"
        )


def encodings(data: Path) -> None:
    """Files decoded to exactly the text that their label gives."""
    import chardet
    from charset_normalizer import from_bytes

    def by_statistics(name: str | None, raw: bytes) -> str:
        try:
            return raw.decode(name or "ascii")
        except (LookupError, UnicodeDecodeError):
            return ""

    labelled: list[tuple[bytes, str]] = []
    for path in sorted((data / "encodings").rglob("*")):
        if path.is_file():
            name = re.sub(r"(?<=\d)-[a-z]{5,}$", "", path.parent.name)
            try:
                codecs.lookup(name)
                raw = path.read_bytes()
                labelled.append((raw, raw.decode(name).lstrip("\ufeff")))
            except (LookupError, UnicodeDecodeError):
                print(f"   not decodable by its label: {path.parent.name}/{path.name}")
    print(f"== encodings: {len(labelled)} labelled files; exactly right, and right but for 0.2 % of the characters")
    for tool, read in {
        "ragterm": lambda raw: decode(raw)[0],
        "chardet": lambda raw: by_statistics(chardet.detect(raw)["encoding"], raw),
        "charset-normalizer": lambda raw: by_statistics(getattr(from_bytes(raw).best(), "encoding", None), raw),
    }.items():
        start = time.perf_counter()
        results = [(read(raw).lstrip("\ufeff"), text) for raw, text in labelled]
        exact = sum(got == text for got, text in results)
        nearly = sum(
            len(got) == len(text) and sum(a != b for a, b in zip(got, text, strict=True)) <= len(text) / 500
            for got, text in results
        )
        print(f"{tool:20s} {exact} {nearly}   {time.perf_counter() - start:.1f} s")


def pdf(data: Path) -> None:
    """Bare pdfium, pypdf and our parser: files with text, seconds; throughput beside bare pdfium's, and two workers' beside one's."""
    import logging

    import pypdf
    import pypdfium2

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)

    def by_pdfium(path: Path) -> str:
        document = pypdfium2.PdfDocument(path)
        return "".join(page.get_textpage().get_text_range() for page in document)

    def by_pypdf(path: Path) -> str:
        return "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)

    print("== PDF: files with a letter or a digit, characters, seconds (one process)")
    paths = sorted((data / "pdf").glob("*.pdf"))
    for name, read in {
        "ragterm": lambda path: parse_file(path).text,
        "bare pdfium": by_pdfium,
        "pypdf": by_pypdf,
    }.items():
        readable = characters = 0
        start = time.perf_counter()
        for path in paths:
            try:
                text = read(path)
            except Exception:
                continue
            readable += any(c.isalnum() for c in text)
            characters += len(text)
        print(f"{name:20s} {readable}/{len(paths)} files, {characters} characters, {time.perf_counter() - start:.1f} s")

    throughput(paths)
    workers(paths)


def throughput(paths: list[Path]) -> None:
    """Our parser against bare pdfium, taking turns on the files that both read, by processor time: a busy machine slows both."""
    import pypdfium2

    from ragterm.engine.documents.pdf import parse_pdf

    def bare(path: Path) -> int:
        document = pypdfium2.PdfDocument(path)
        return sum(len(page.get_textpage().get_text_range()) for page in document)

    def ours(path: Path) -> int:
        return len(parse_pdf(path.read_bytes(), path).text)

    both = []
    for path in paths:
        try:
            ours(path), bare(path)
        except (ParseError, pypdfium2.PdfiumError):
            continue
        both.append(path)
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(ROUNDS):
        spent = dict.fromkeys(seconds, 0.0)
        for path in both:
            for name, read in (("bare", bare), ("ours", ours)):
                start = time.process_time()
                read(path)
                spent[name] += time.process_time() - start
        for name, taken in spent.items():
            seconds[name].append(taken)
    pdfium, mine = median(seconds["bare"]), median(seconds["ours"])
    ratios = [a / b for a, b in zip(seconds["bare"], seconds["ours"], strict=True)]
    print(
        f"one process, the {len(both)} files that both read, medians of {ROUNDS} rounds of processor time; {machine()}"
    )
    print(
        f"bare pdfium {pdfium:.3f} s, ragterm {mine:.3f} s: throughput {median(ratios):.3f} of bare pdfium's "
        f"(rounds {min(ratios):.3f} to {max(ratios):.3f}; at least 0.6)"
    )


def workers(paths: list[Path]) -> None:
    """One parser worker against two, taking turns, by the wall clock: the other cores must be free for this to say anything."""

    def seconds(pool: ParserPool) -> float:
        start = time.perf_counter()
        wait([pool.submit(path) for path in paths * PASSES])
        return time.perf_counter() - start

    with ParserPool(1, 60, 1536) as one, ParserPool(2, 60, 1536) as two:
        seconds(one), seconds(two)
        rounds = [(seconds(one), seconds(two)) for _ in range(3)]
    ratios = [a / b for a, b in rounds]
    print(
        f"workers, {len(paths)} files {PASSES} times, medians of {len(rounds)} rounds by the wall clock: "
        f"one {median(a for a, _ in rounds):.2f} s, two {median(b for _, b in rounds):.2f} s: two give {median(ratios):.2f} times one "
        f"(rounds {min(ratios):.2f} to {max(ratios):.2f}; at least 1.6; {busy()})"
    )


def machine() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pypdfium2", "pypdf"))
    return f"{os.cpu_count()} cores ({platform.processor() or platform.machine()}), Python {platform.python_version()}, {libraries}"


def busy() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "load unknown"


def surveys(data: Path) -> None:
    """10,000 files in 100 folders."""
    with tempfile.TemporaryDirectory() as folder:
        for i in range(100):
            (Path(folder) / f"{i:03d}").mkdir()
            for j in range(100):
                (Path(folder) / f"{i:03d}" / f"{j:03d}.md").write_text("x")
        start = time.perf_counter()
        found = survey([folder], 200)
        print(f"== survey of {len(found.files)} files: {time.perf_counter() - start:.2f} s")


def main() -> None:
    where = os.environ.get("RAGTERM_TEST_DATA")
    if not where:
        sys.exit("set RAGTERM_TEST_DATA to the folder with the test data")
    parts = {"files": files, "html": html, "docx": docx, "encodings": encodings, "pdf": pdf, "survey": surveys}
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")] or list(parts)
    for name in chosen:
        parts[name](Path(where) / "files")


if __name__ == "__main__":
    main()
