"""`ragterm`: the command line's entry point.

The contract: every command takes `--home` and `--json`, before or after its name; a command's name wins over a path of that
name (`./search`); exit codes are 0 done, 1 failed, 2 wrong usage, 3 done in part. The commands' own modules are imported only
when they run, so that `ragterm --help` costs no more than click.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragterm import __version__
from ragterm.engine.types.errors import ConfigError, RagtermError, UsageError

if TYPE_CHECKING:
    from ragterm.engine.engine import Engine
    from ragterm.engine.types.settings import Settings

COMMANDS = {
    "ingest": ("ragterm.cli.ingest", "Read files and folders into a collection."),
    "search": ("ragterm.cli.search", "Search a collection; every stage's rank and score."),
    "ask": ("ragterm.cli.ask", "Ask a question; the answer cites its sources."),
    "eval": ("ragterm.cli.evaluate", "Measure retrieval on a BEIR data set."),
    "chunk": ("ragterm.cli.chunk", "Compare chunking strategies on your own documents, and adopt one."),
    "documents": ("ragterm.cli.documents", "List, show or remove documents."),
    "vec": ("ragterm.cli.vec.group", "The vector database on its own: fill, search, measure, look inside."),
    "doctor": ("ragterm.cli.doctor", "Check models, collections, language model, terminal, disk."),
    "config": ("ragterm.cli.config", "Show or change settings; delete caches and traces."),
}


@dataclass
class Globals:
    """The options that every command takes, gathered from before and after its name."""

    home: Path | None = None
    as_json: bool = False
    overrides: tuple[str, ...] = ()

    def settings(self) -> Settings:
        from ragterm.engine.home import home_folder
        from ragterm.engine.types.settings import load_settings, with_setting

        settings = load_settings(home_folder(self.home) / "config.toml")
        for one in self.overrides:
            name, equals, value = one.partition("=")
            if not equals:
                raise UsageError("--set takes KEY=VALUE", one, "for example --set search.weight=0.7")
            settings = with_setting(settings, name.strip(), value.strip())
        return settings

    def engine(self) -> Engine:
        from ragterm.engine.engine import Engine

        return Engine.open(self.home, self.settings())


def _gather(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    found = context.find_root().ensure_object(Globals)
    if parameter.name == "home" and value is not None:
        found.home = Path(value).expanduser()
    elif parameter.name == "as_json" and value:
        found.as_json = True
    elif parameter.name == "overrides" and value:
        found.overrides += tuple(value)
    return value


def global_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `--home`, `--json` and `--set`; they land in `Globals`, not in its arguments."""
    for option in (
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", expose_value=False, callback=_gather,
                     help="A setting for this run, as in --set search.weight=0.7."),
        click.option("--json", "as_json", is_flag=True, expose_value=False, callback=_gather,
                     help="One JSON object on standard output, nothing else there."),
        click.option("--home", metavar="DIR", envvar="RAGTERM_HOME", expose_value=False, callback=_gather,
                     help="Where all state lives (or RAGTERM_HOME)."),
    ):  # fmt: skip
        command = option(command)
    return command


class _Commands(click.Group):
    """Commands by name, imported when needed; anything else is a path for the app."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            return "app", _app, args
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Ask your own documents, and see why you got that answer.

    \b
    ragterm                      the app
    ragterm ./docs               the app, reading ./docs at its start
    ragterm COMMAND --help       what a command takes
    """,
    options_metavar="[OPTIONS]",
    subcommand_metavar="[PATH... | COMMAND [ARGS...]]",
)
@global_options
@click.version_option(__version__, "--version", "-V", prog_name="ragterm")
@click.pass_context
def group(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        _launch(context, ())


@click.command(context_settings={"ignore_unknown_options": False})
@global_options
@click.argument("paths", nargs=-1)
@click.pass_context
def _app(context: click.Context, paths: tuple[str, ...]) -> None:
    _launch(context, paths)


def _launch(context: click.Context, paths: tuple[str, ...]) -> None:
    options = context.find_root().ensure_object(Globals)
    for path in paths:
        if not Path(path).expanduser().exists():
            import difflib

            near = difflib.get_close_matches(path, COMMANDS, n=1)
            hint = f"did you mean `ragterm {near[0]}`?" if near else "give a file or a folder, or see `ragterm --help`"
            raise UsageError(f"No such file, folder or command: {path}", "", hint)
    if options.as_json:
        raise UsageError("The app has no JSON output", "", "use a command: `ragterm search ... --json`")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("The app needs a terminal", "", "use a command instead: `ragterm ask ...`, `ragterm --help`")
    from ragterm.ui.launch import run_app

    options.settings()  # a bad config is one clear line, before the screen is taken
    context.exit(run_app([str(Path(p).expanduser()) for p in paths], options.home, settings=options.settings()))


def main(args: Sequence[str] | None = None) -> None:
    """Run (`args`: the command line without the program's name; None: this process's) and leave with the contract's exit code."""
    from ragterm.cli.output import fail

    # What the engine logs is for the app's log file: here the one clear line of an error says it.
    logging.getLogger("ragterm").addHandler(logging.NullHandler())
    args = sys.argv[1:] if args is None else list(args)
    state = Globals(as_json="--json" in args)
    try:
        code = group.main(args, standalone_mode=False, obj=state)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort:
        code = 130
    except click.ClickException as error:
        if state.as_json:
            fail(UsageError("Wrong usage", error.format_message(), "see `ragterm --help`"), True)
        else:
            error.show()
        code = 2
    except (RagtermError, ConfigError) as error:
        fail(error, state.as_json)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing is wrong, but Python would complain again at exit.
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
