"""`ragterm documents list|show|remove|restore`: what a collection holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.engine.engine import Engine
from ragterm.engine.types.display import displayable, one_line
from ragterm.engine.types.documents import DocumentRow
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.members import is_member, outermost

_collection = click.option("-c", "--collection", default="default", show_default=True, metavar="NAME")


@click.group("documents", help="List, show or remove the documents of a collection, and undo a removal.")
@global_options
def command() -> None:
    pass


@command.command("list", help="Every document with its state.")
@global_options
@_collection
@click.pass_obj
def list_(options: Globals, collection: str) -> None:
    with options.engine() as engine:
        rows = engine.documents(collection)
    if options.as_json:
        emit_json({"documents": [_row_as_json(row) for row in rows]})
        return
    for row in rows:
        pages = f"{row.pages} pages" if row.pages else ""
        say(f"{row.id}  {row.state:<9}  {row.chunks:>5} chunks  {pages:>10}  {one_line(row.path)}")
        if row.error:
            say(f"{'':18}{one_line(row.error)}" + (f" ({one_line(row.hint)})" if row.hint else ""))
    say(f"{len(rows)} documents in {one_line(collection)}")


@command.command(
    "show", help="One document, by id or path: its facts, blocks and chunks, or with --text its canonical text."
)
@global_options
@click.argument("document")
@_collection
@click.option("--text", "text_only", is_flag=True, help="The canonical text, to which all offsets refer.")
@click.pass_obj
def show(options: Globals, document: str, collection: str, text_only: bool) -> None:
    with options.engine() as engine:
        row = _find(engine, document, collection)
        found = engine.document(row.id, collection) if row.state == "indexed" else None
        chunks = engine.chunks(row.id, collection) if found is not None else []
    if text_only and not options.as_json:
        if found is None:
            raise NotFoundError("No text", f"{row.path} is {row.state}: {row.error}", row.hint)
        click.echo(displayable(found.text), nl=False)
        return
    if options.as_json:
        data: dict[str, object] = _row_as_json(row)
        if found is not None:
            data |= {"content_hash": found.content_hash, "metadata": found.metadata, "text": found.text}
            if not text_only:
                data["blocks"] = [asdict(block) for block in found.blocks]
                data["chunk_list"] = [asdict(chunk) for chunk in chunks]
        emit_json(data)
        return
    for name in ("path", "title", "kind", "state", "pages", "chunks", "parser", "size", "ingested_at", "error", "hint"):
        value = getattr(row, name)
        if value not in (None, ""):
            say(f"{name:<12} {one_line(str(value))}")
    if is_member(row.path):
        say(f"{'lies in':<12} {one_line(outermost(row.path))} (the file on disk)")
    for name, value in found.metadata.items() if found is not None else ():
        for line in value.splitlines():
            say(f"{one_line(name):<12} {one_line(line)}")
    for warning in row.warnings:
        say(f"{'warning':<12} {one_line(warning)}")
    for chunk in chunks:
        page = f" page {chunk.page}" if chunk.page else ""
        say(f"\n[{chunk.start}:{chunk.end}]{page} {one_line(' > '.join(chunk.section))} ({chunk.tokens} tokens)")
        say(chunk.text)


@command.command(
    "remove",
    help="Take documents out of a collection, by id or path, and show that nothing of them is left. The files stay where they are. "
    "`documents restore` undoes it until the next start of the app or of an ingest.",
)
@global_options
@click.argument("documents", nargs=-1, required=True)
@_collection
@click.option("--for-good", is_flag=True, help="Keep nothing aside: it cannot be undone.")
@click.pass_obj
def remove(options: Globals, documents: tuple[str, ...], collection: str, for_good: bool) -> None:
    with options.engine() as engine:
        ids = [_find(engine, one, collection).id for one in documents]
        removal = engine.remove(ids, collection, keep=not for_good)
    if options.as_json:
        emit_json(
            {
                "removed": len(removal.documents),
                "documents": list(removal.documents),
                "chunks": removal.chunks,
                "left": {
                    "chunks": removal.chunks_left,
                    "vectors": removal.vectors_left,
                    "keyword_hits": removal.keyword_hits_left,
                },
                "proven": removal.proven and not removal.waiting,
                "can_be_undone": removal.can_be_undone,
                "in_their_place": list(removal.in_their_place),
            }
        )
    else:
        say(
            f"{len(removal.documents)} removed from {one_line(collection)} with {removal.chunks} chunks: {removal.proof}"
        )
        for path in removal.in_their_place:
            say(f"  its copy took its place: {one_line(path)}")
        if removal.can_be_undone:
            again = " ".join(removal.documents[:8]) if len(removal.documents) <= 8 else ""
            say(
                f"  to undo it, until the next start: {f'ragterm documents restore {again}'.strip()}{_named(collection)}"
            )
    raise click.exceptions.Exit(0 if removal.proven or removal.waiting else 1)


@command.command(
    "restore",
    help="Put removed documents back, by id or path; without any those of the last removal. Nothing is read or embedded.",
)
@global_options
@click.argument("documents", nargs=-1)
@_collection
@click.pass_obj
def restore(options: Globals, documents: tuple[str, ...], collection: str) -> None:
    with options.engine() as engine:
        kept = engine.removed(collection)
        wanted = []
        for one in documents:
            path = str(Path(one).expanduser().absolute())
            found = [row for row in kept if one in (row.document_id, row.path) or row.path == path]
            if not found and len(one) >= 4:
                found = [row for row in kept if row.document_id.startswith(one)]
            if len(found) != 1:
                raise NotFoundError(
                    "This cannot be put back",
                    f"{one} in collection {collection}",
                    f"ragterm ingest '{one}' reads it again",
                )
            wanted.append(found[0].document_id)
        if not kept:
            raise NotFoundError(
                "Nothing to put back", f"in collection {collection}", "ragterm ingest PATH reads it again"
            )
        back = engine.restore(wanted or None, collection)
    paths = {row.document_id: row.path for row in kept}
    if options.as_json:
        emit_json({"restored": len(back), "documents": [{"id": one, "path": paths[one]} for one in back]})
    else:
        for one in back:
            say(f"back: {one_line(paths[one])}")
        say(f"{len(back)} put back into {one_line(collection)}")
    # What is in the collection again (it was read anew), or was made for another build, stays aside.
    raise click.exceptions.Exit(0 if back and len(back) >= len(wanted) else 3 if back else 1)


def _named(collection: str) -> str:
    return "" if collection == "default" else f" -c {one_line(collection)}"


def _find(engine: Engine, wanted: str, collection: str) -> DocumentRow:
    """The document with this id, this id's beginning, or this path. Raises NotFoundError."""
    rows = engine.documents(collection)
    path = str(Path(wanted).expanduser().absolute())
    matches = [r for r in rows if r.id == wanted or r.path in (wanted, path)]
    if not matches and len(wanted) >= 4:
        matches = [r for r in rows if r.id.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise NotFoundError("Ambiguous", f"{len(matches)} documents begin with {wanted}", "give more of the id")
    raise NotFoundError("No such document", f"{wanted} in collection {collection}", "see `ragterm documents list`")


def _row_as_json(row: DocumentRow) -> dict[str, object]:
    return {
        "id": row.id,
        "path": row.path,
        "title": row.title,
        "kind": row.kind,
        "pages": row.pages,
        "chunks": row.chunks,
        "state": row.state,
        "warnings": list(row.warnings),
        "stage": row.stage,
        "error": row.error,
        "hint": row.hint,
        "duplicate_of": row.duplicate_of,
        "size": row.size,
        "ingested_at": row.ingested_at,
        "parser": row.parser,
    }
