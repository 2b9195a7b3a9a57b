"""The group `ragterm vec`. A command's module is imported when the command runs: the list and the help cost no numpy."""

from __future__ import annotations

from importlib import import_module

import click

from ragterm.cli.main import global_options

SUBCOMMANDS = {
    "init": ("ragterm.cli.vec.create", "init", "Make an empty database."),
    "add": ("ragterm.cli.vec.fill", "add", "Add the vectors of a file (.jsonl, .npy, .parquet)."),
    "search": ("ragterm.cli.vec.find", "search", "The nearest vectors of a text or a vector, with filters."),
    "get": ("ragterm.cli.vec.items", "get", "Show one item."),
    "delete": ("ragterm.cli.vec.items", "delete", "Delete items by id."),
    "stats": ("ragterm.cli.vec.statistics", "stats", "Size, parameters, layers and degrees."),
    "benchmark": ("ragterm.cli.vec.benchmark", "benchmark", "Brute force against HNSW: speed, recall, memory."),
    "visualize": ("ragterm.cli.vec.visualize", "visualize", "Draw a layer of the graph as DOT, SVG or PNG."),
    "import": ("ragterm.cli.vec.fill", "import_", "Make a database from a file (or add to one)."),
    "export": ("ragterm.cli.vec.export", "export", "Write all items to a file that `import` reads."),
}


class _Subcommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in SUBCOMMANDS:
            return None
        module, attribute, _ = SUBCOMMANDS[name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, _, help_) in SUBCOMMANDS.items()])


@click.group(
    "vec",
    cls=_Subcommands,
    help="""The vector database on its own. A database is a folder, ./vectors unless --db names another.

    \b
    ragterm vec init --dimensions 384
    ragterm vec add --file embeddings.jsonl
    ragterm vec search "how hot is the kiln" --top-k 5
    """,
)
@global_options
def command() -> None:
    pass
