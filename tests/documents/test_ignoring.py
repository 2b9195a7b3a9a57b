"""Ignore files: the survey leaves out exactly what Git itself calls ignored, and says which file said so."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ragterm.engine.documents.generated import unwanted_by_content, unwanted_by_name
from ragterm.engine.documents.ignoring import IgnoreFile
from ragterm.engine.documents.sources import survey

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="compares with git check-ignore")
ALONE = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["git", *arguments], cwd=folder, input=given, env=ALONE, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # check-ignore: 1 means that nothing is ignored
    return done.stdout


def put(root: Path, **files: str) -> None:
    """`put(root, **{"a/b.md": "text"})`"""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def repository(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q")
    return root


def taken(root: Path) -> set[str]:
    return {os.path.relpath(path, root) for path in survey([root], 1).files}


def taken_by_git(root: Path) -> set[str]:
    """Every file below `root` that is not hidden, less what `git check-ignore` names."""
    there = [
        os.path.relpath(Path(folder, name), root)
        for folder, folders, names in os.walk(root)
        for name in names
        if not any(part.startswith(".") for part in Path(os.path.relpath(Path(folder, name), root)).parts)
        and folders is not None
    ]
    asked = b"\0".join(os.fsencode(path) for path in there)
    ignored = git(root, "check-ignore", "--no-index", "-z", "--stdin", given=asked)
    return set(there) - {os.fsdecode(path) for path in ignored.split(b"\0") if path}


RULES = """
# a comment
*.tmp.md
!keep.tmp.md
/top.md
build/
docs/*.md
!docs/read.md
**/cache
a/**/z.md
logs/**
!logs/why.md
white/*
!white/list/
\\#hash.md
\\!bang.md
trailing.md
kept\\ blank.md
[ab]x.md
[!c]y.md
q?.md
unclosed[.md
é.md
nested/one
"""


@needs_git
def test_the_rules_of_git_one_by_one(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    names = (
        "x.tmp.md keep.tmp.md top.md sub/top.md build/a.md sub/build/a.md build.md docs/a.md docs/read.md docs/d/a.md cache/a.md "
        "s/cache/b.md a/z.md a/b/z.md a/b/c/z.md z.md logs/x.md logs/why.md logs/d/e.md white/a.md white/list/a.md white/other/b.md "
        "#hash.md !bang.md trailing.md ax.md bx.md cx.md by.md cy.md q1.md q12.md unclosed[.md é.md nested/one/a.md nested/two/a.md "
        "deep/nested/one/a.md sub/over.tmp.md sub/d/over.tmp.md sub/d/e.md"
    )
    put(root, **{name: name for name in names.split()}, **{"kept blank.md": "", ".gitignore": RULES})
    put(root, **{"sub/.gitignore": "!over.tmp.md\r\nd/\r\n", ".git/info/exclude": "cx.md\nover.tmp.md\n"})
    ours, theirs = taken(root), taken_by_git(root)
    assert ours == theirs
    assert {"keep.tmp.md", "sub/over.tmp.md", "logs/why.md", "white/list/a.md"} <= ours
    assert not {"x.tmp.md", "build/a.md", "cx.md", "sub/d/over.tmp.md"} & ours


@needs_git
def test_random_rules_in_random_trees(tmp_path: Path) -> None:
    parts = ["a", "b", "ab", "c"]
    for seed in range(10):
        rng = random.Random(seed)
        root = repository(tmp_path / str(seed))
        for _ in range(40):
            folders = [rng.choice(parts) for _ in range(rng.randrange(4))]
            put(root, **{"/".join([*folders, rng.choice(parts) + ".md"]): "x"})
        wild = [*parts, "*", "**", "a*", "?", "[a-b]", "*b.md", "a.md", "*.md", "ab.md"]
        for folder in [
            "",
            *rng.sample([str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir() and ".git" not in p.parts], 3),
        ]:
            lines = []
            for _ in range(rng.randrange(1, 7)):
                line = "/".join(rng.choice(wild) for _ in range(rng.choice([1, 1, 2, 3])))
                lines.append(rng.choice(["", "", "!"]) + rng.choice(["", "", "/"]) + line + rng.choice(["", "", "/"]))
            put(root, **{f"{folder}/.gitignore".lstrip("/"): "\n".join(lines)})
        rules = {str(p.relative_to(root)): p.read_text() for p in root.rglob(".gitignore")}
        assert taken(root) == taken_by_git(root), (seed, rules)


@needs_git
def test_rules_above_the_root_count_up_to_the_repository(tmp_path: Path) -> None:
    put(tmp_path, **{".gitignore": "*.md\n"})  # outside: not Git's business
    root = repository(tmp_path / "r")
    put(
        root,
        **{".gitignore": "secret.md\n/sub/deep/x.md\n", "sub/deep/x.md": "", "sub/deep/y.md": "", "sub/secret.md": ""},
    )
    assert taken(root / "sub") == {"deep/y.md"}
    assert taken(root / "sub" / "deep") == {"y.md"}
    skipped = dict(survey([root / "sub"], 1).skipped)
    assert skipped[str(root / "sub")] == f"2 files and folders left out: 2 by {root / '.gitignore'}"


@needs_git
def test_a_repository_inside_another_begins_anew(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    put(root, **{".gitignore": "x.md\nleft/\n", "x.md": "", "y.md": "", "inner/x.md": "", "left/z.md": ""})
    repository(root / "inner")
    put(root / "inner", **{".gitignore": "y.md\n", "y.md": ""})
    assert taken(root) == {"y.md", "inner/x.md"}


def test_the_own_ignore_file_counts_everywhere_and_has_the_last_word(tmp_path: Path) -> None:
    put(
        tmp_path,
        **{"a/.ragtermignore": "draft*\n!kept/\n", "a/draft.md": "", "a/b/draft2.md": "", "a/c.md": "", "draft.md": ""},
    )
    put(tmp_path, **{".gitignore": "c.md\n"})  # no repository: does not count
    assert taken(tmp_path) == {"a/c.md", "draft.md"}
    assert taken(tmp_path / "a" / "b") == set()
    (tmp_path / ".git").mkdir()
    put(tmp_path, **{"a/kept/c.md": "", "a/kept/d.md": ""})
    put(tmp_path, **{".gitignore": "c.md\nkept/\n"})
    assert taken(tmp_path) == {"draft.md", "a/kept/d.md"}
    put(tmp_path, **{"a/kept/.ragtermignore": "!c.md\nd.md\n"})
    found = survey([tmp_path], 1)
    assert {os.path.relpath(path, tmp_path) for path in found.files} == {"draft.md", "a/kept/c.md"}
    assert found.ignored == tuple(str(tmp_path / p) for p in ("a/b/draft2.md", "a/c.md", "a/draft.md", "a/kept/d.md"))
    assert (
        str(tmp_path),
        "4 files and folders left out: 2 by a/.ragtermignore, 1 by .gitignore, 1 by a/kept/.ragtermignore",
    ) in found.skipped


def test_a_file_named_directly_is_taken_all_the_same(tmp_path: Path) -> None:
    put(tmp_path, **{".ragtermignore": "*.md\nsub/\n", "a.md": "", "sub/b.txt": "", "yarn.lock": "x"})
    assert not survey([tmp_path], 1).files
    named = survey([tmp_path, tmp_path / "a.md", tmp_path / "sub"], 1)
    assert [os.path.relpath(path, tmp_path) for path in named.files] == ["a.md", "sub/b.txt"]


def test_patterns_that_cost_too_much_are_not_used_and_that_is_said(tmp_path: Path) -> None:
    hostile = "a*" * 30 + "b"
    put(
        tmp_path,
        **{
            ".ragtermignore": f"{hostile}\n{'**/a/' * 30}\n" + "x" * 2000 + "\n*.txt\n",
            "a" * 200 + ".md": "",
            "b.txt": "",
        },
    )
    found = survey([tmp_path], 1)
    assert len(found.files) == 1
    assert (
        str(tmp_path / ".ragtermignore"),
        "3 lines are not used: too many lines, or too many stars in a line",
    ) in found.skipped
    assert IgnoreFile("/", "/x", ["a"] * 6000).left_off == 1000


def test_an_ignore_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path, **{"rules": "*.md\n", "d/a.md": ""})
    (tmp_path / "d" / ".ragtermignore").symlink_to(tmp_path / "rules")
    assert taken(tmp_path / "d") == {"a.md"}


@needs_git
def test_a_repository_without_a_working_tree_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    git(tmp_path / "bare", "init", "-q", "--bare")
    put(tmp_path, **{"a.md": ""})
    found = survey([tmp_path], 1)
    assert [Path(path).name for path in found.files] == ["a.md"]
    assert (str(tmp_path / "bare"), "a Git repository without a working tree") in found.skipped


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("package-lock.json", "lock"), ("Cargo.lock", "lock"), ("go.sum", "lock"), ("jquery.min.js", "minified"),
        ("site-min.css", "minified"),
        ("app.js.map", "source map"), ("admin.js", ""), ("clock.json", ""), ("lock.md", ""), ("map.md", ""), ("min.js", ""),
    ],
)  # fmt: skip
def test_generated_files_by_name(name: str, reason: str) -> None:
    found = unwanted_by_name(f"/some/where/{name}")
    assert (reason in found) if reason else found == ""


@pytest.mark.parametrize(
    ("name", "kind", "head", "reason"),
    [
        ("a.go", "code", b"// Code generated by protoc-gen-go. DO NOT EDIT.\npackage x", "first lines"),
        ("a.py", "code", b"# -*- coding: utf-8 -*-\n# Generated by the protocol buffer compiler.  DO NOT EDIT!\n", "first lines"),
        ("a.js", "code", b"/**\n * @generated SignedSource<<1>>\n */\n", "first lines"),
        ("a.py", "code", b'PATTERN = "code generated by x. DO NOT EDIT"\n', ""),
        ("a.md", "markdown", b"Code generated by x. DO NOT EDIT.\n", ""),
        ("a.js", "code", b"var a=1;" * 400, "minified"),
        ("a.js", "code", b"var a = 1;\n" * 400, ""),
        ("a.json", "text", b'{"a":1,' * 400, ""),
        ("a.txt", "text", bytes(range(256)) * 8, "binary"),
        ("a.txt", "text", "Ünïcode".encode("utf-16-le") * 40, ""),
        ("a.txt", "text", b"%PDF-1.7\n" + bytes(range(256)), ""),
        ("a.pdf", "pdf", bytes(range(256)), ""),
        ("a.txt", "text", b"", ""),
    ],
)  # fmt: skip
def test_generated_and_binary_files_by_their_first_bytes(name: str, kind: str, head: bytes, reason: str) -> None:
    found = unwanted_by_content(name, kind, head)
    assert (reason in found) if reason else found == ""
