"""Directives and roles that docutils does not know: those of Sphinx and its extensions, and whatever else a file names.

docutils turns an unknown directive into an error message and loses what is in it. Here each name that a file uses and docutils does
not know gets one class that keeps the content: listings stay listings, containers are walked through, a signature or a
version stands before its text. Directives that read files or make raw output are replaced too, though docutils' settings refuse them
already: nothing of this room depends on one lock.
"""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles

_DIRECTIVE = re.compile(
    r"^[ \t]*\.\. (?:\|[^|\n]{1,200}\| )?([\w.+-]{1,60}(?::[\w.+-]{1,60})?) ?::(?=\s|$)", re.MULTILINE
)
_ROLE = re.compile(
    r":([A-Za-z][\w.+-]{0,40}(?::[\w.+-]{1,40}){0,2}):`|`:([A-Za-z][\w.+-]{0,40}(?::[\w.+-]{1,40}){0,2}):"
)
_MOST_NAMES = 2_000
_FILES = frozenset("include literalinclude raw".split())
_SILENT = frozenset(
    "index highlight currentmodule py:currentmodule module py:module tabularcolumns default-domain date "
    "sectnum section-numbering".split()
)
_LISTINGS = {
    "sourcecode": "", "code-block": "", "code": "", "ipython": "python", "ipython3": "python", "doctest": "python",
    "testcode": "python", "testsetup": "python", "testoutput": "",
    "prompt": "", "productionlist": "", "graphviz": "dot", "digraph": "dot", "graph": "dot",
    "mermaid": "mermaid", "plantuml": "plantuml", "uml": "plantuml", "parsed-code": "", "command-output": "", "program-output": "",
    "jupyter-execute": "python", "plot": "python", "exec_code": "python", "pyscript": "python",
}  # fmt: skip
_WITH_TITLE = frozenset("versionadded versionchanged deprecated versionremoved seealso todo admonition".split())
_TITLES = {"versionadded": "New in version", "versionchanged": "Changed in version", "deprecated": "Deprecated since version",
           "versionremoved": "Removed in version", "seealso": "See also", "todo": "To do"}  # fmt: skip
_OWN = frozenset("code code-block sourcecode include raw date".split())
"""Replaced although docutils knows them."""
_TARGET = re.compile(r"(.{1,2000}?)\s*<[^<>]*>\Z", re.DOTALL)


class _AnyOption(dict[str, Any]):
    """Takes every option as it is."""

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        return lambda argument: argument or ""

    def __contains__(self, name: object) -> bool:
        return True


class AnyDirective(Directive):  # type: ignore[misc]
    """One directive for all names."""

    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = _AnyOption()
    has_content = True

    def run(self) -> list[Any]:
        name = self.name.lower()
        argument = " ".join(" ".join(self.arguments).split())
        if name in _FILES:
            return [nodes.comment("", "", classes=["left-out"])]
        if name in _SILENT:
            return []
        if name == "toctree":
            return self._toctree()
        if name in _LISTINGS:
            return self._listing(_LISTINGS[name] or argument)
        container = nodes.container(classes=["directive"])
        if name in _WITH_TITLE:
            container["said_before"] = f"{_TITLES.get(name, argument)} {argument}".strip()
            if name.startswith(("version", "deprecated")):
                version, _, rest = argument.partition(" ")
                container["said_before"] = f"{_TITLES[name]} {version}"
                if rest:
                    container += nodes.paragraph(rest, rest)
            elif name == "seealso" and argument:
                container["said_before"] = "See also"
                container += nodes.paragraph(argument, argument)
        elif argument and not _is_path(argument):
            container += nodes.paragraph(argument, argument, classes=["signature"])
        self.state.nested_parse(self.content, self.content_offset, container)
        return [container]

    def _listing(self, language: str) -> list[Any]:
        code = "\n".join(self.content)
        found = []
        if caption := self.options.get("caption"):
            found.append(nodes.caption(caption, caption))
        found.append(nodes.literal_block(code, code, classes=["code", language.split("\n")[0].strip().lower()]))
        return found

    def _toctree(self) -> list[Any]:
        """The titles that it gives; names of files are no text."""
        entries = [found.group(1) for line in self.content if (found := _TARGET.match(line.strip()))]
        items = [nodes.list_item("", nodes.paragraph(entry, entry)) for entry in entries]
        return [nodes.bullet_list("", *items)] if items else []


def _role(name: str, rawtext: str, text: str, *_rest: Any, **_options: Any) -> tuple[list[Any], list[Any]]:
    """The words of a role: its title where it has one, the last part of `~package.module.name`."""
    text = text.replace("\x00", "")
    if found := _TARGET.match(text):
        text = found.group(1)
    elif text.startswith("~"):
        text = text[1:].rpartition(".")[2]
    elif text.startswith("!"):
        text = text[1:]
    return [nodes.inline(rawtext, text)], []


@contextmanager
def names_of(source: str) -> Iterator[None]:
    """Every directive and role that `source` may use is known within; what was known before is restored, with what the document
    defined gone."""
    before = dict(directives._directives), dict(roles._roles)
    for name in _OWN:
        directives.register_directive(name, AnyDirective)
    for name in islice(_unknown(_DIRECTIVE, source, directives._directive_registry), _MOST_NAMES):
        directives.register_directive(name, AnyDirective)
    for name in islice(_unknown(_ROLE, source, roles._role_registry), _MOST_NAMES):
        roles.register_local_role(name, _role)
    try:
        yield
    finally:
        for registry, content in zip((directives._directives, roles._roles), before, strict=True):
            registry.clear()
            registry.update(content)


def _unknown(pattern: re.Pattern[str], source: str, known: dict[str, Any]) -> Iterator[str]:
    names = dict.fromkeys(next(filter(None, found.groups())).lower() for found in pattern.finditer(source))
    return (name for name in names if name not in known)


def _is_path(argument: str) -> bool:
    return "/" in argument and " " not in argument
