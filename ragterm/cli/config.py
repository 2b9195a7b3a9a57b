"""`ragterm config`: show and change settings; delete collections, traces and caches."""

from __future__ import annotations

from typing import Any

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.engine.types.errors import UsageError
from ragterm.engine.types.settings import settings_as_dict


@click.group(
    "config", invoke_without_command=True, help="Show the settings; subcommands change them and delete stored data."
)
@global_options
@click.pass_context
def command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command("show", help="Every setting with its value.")
@global_options
@click.pass_obj
def show(options: Globals) -> None:
    from ragterm.engine.home import home_folder

    home = home_folder(options.home)
    data = settings_as_dict(options.settings())
    if options.as_json:
        emit_json({"home": str(home), "file": str(home / "config.toml"), "settings": data})
        return
    import tomli_w

    say(f"# {home / 'config.toml'}")
    say(tomli_w.dumps(data))


@command.command("set", help="Set one value: `ragterm config set search.weight 0.7`.")
@global_options
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(options: Globals, key: str, value: str) -> None:
    from ragterm.engine.home import save_setting

    new: Any = save_setting(options.home, key, value)
    if options.as_json:
        emit_json({"key": key, "value": new})
    else:
        say(f"{key} = {new}")


@command.command(
    "download", help="Fetch a model's checkpoint from its hub, after saying what, how large and from where."
)
@global_options
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def download(options: Globals, model: str, yes: bool) -> None:
    with options.engine() as engine:
        needed = engine.model_to_download(model)
        if needed is None:
            say(f"{model} is here already") if not options.as_json else emit_json({"model": model, "downloaded": False})
            return
        if not yes:
            click.confirm(f"{needed.message[:1].upper()}{needed.message[1:]}. Download it?", abort=True, err=True)
        engine.download_model(model, lambda text: click.echo(text, err=True))
    if options.as_json:
        emit_json({"model": model, "downloaded": True})
    else:
        say(f"{model} is ready")


@command.command("delete", help="Delete stored data: a collection by name, or `traces`, `caches`, `everything`.")
@global_options
@click.argument("what", type=click.Choice(["collection", "traces", "caches", "everything"]))
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(options: Globals, what: str, name: str | None, yes: bool) -> None:
    if what == "collection" and not name:
        raise UsageError("Which collection?", "", "ragterm config delete collection NAME")
    if not yes:
        click.confirm(f"Delete {what}{f' {name}' if name else ''}? This cannot be undone", abort=True, err=True)
    with options.engine() as engine:
        deleted = engine.delete_data(what, name)
    if options.as_json:
        emit_json({"deleted": deleted})
    else:
        say(f"deleted: {deleted}")
