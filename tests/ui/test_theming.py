"""Theme files: those that ship are readable, a bad one costs one message, the user's win."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ui import make_app, running, screen_text, until
from textual.color import Color

from ragterm.resources import shipped
from ragterm.ui.theming import ThemeError, contrast, read_theme, read_themes

SHIPPED = read_themes(shipped("themes"))


def test_the_themes_that_ship() -> None:
    assert SHIPPED.problems == ()
    assert {"ragterm", "paper", "contrast", "terminal", "ember", "forest"} <= set(SHIPPED.themes)
    assert [name for name, theme in SHIPPED.themes.items() if not theme.dark] == ["paper"]


def test_contrast_by_hand() -> None:
    # WCAG 2.1: black on white is 21 to 1, #767676 on white 4.54 to 1.
    assert contrast(Color.parse("#000000"), Color.parse("#ffffff")) == pytest.approx(21.0)
    assert contrast(Color.parse("#767676"), Color.parse("#ffffff")) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("name", [name for name, theme in SHIPPED.themes.items() if not theme.ansi])
def test_text_can_be_read_in_every_theme(name: str) -> None:
    theme = SHIPPED.themes[name]
    colours = theme.to_color_system().generate() | theme.variables

    def ratio(text: str, behind: str) -> float:
        return contrast(Color.parse(colours[text]), Color.parse(colours[behind]))

    floor = 7.0 if name == "contrast" else 4.5
    for behind in ("background", "surface", "panel"):
        for text in ("foreground", "primary", "secondary", "accent", "success", "warning", "error", "text-muted"):
            assert ratio(text, behind) >= floor, (text, behind)
    for pair in ("citation", "block-cursor", "block-cursor-blurred"):
        assert ratio(f"{pair}-foreground", f"{pair}-background") >= floor, pair


def test_the_terminal_theme_names_no_colour_of_its_own() -> None:
    theme = SHIPPED.themes["terminal"]
    colours = [theme.primary, theme.secondary, theme.accent, theme.warning, theme.error, theme.success]
    colours += [theme.foreground, theme.background, theme.surface, theme.panel, theme.boost]
    colours += [value for key, value in theme.variables.items() if not key.endswith("-style")]
    assert theme.ansi
    assert all(colour is not None and colour.startswith("ansi_") for colour in colours)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("primary = ", "Invalid value"),
        ('name = "x"', "primary is missing"),
        ('primary = "bluish"', "primary is not a colour"),
        ("primary = 3", "primary is not a colour"),
        ('primary = "#fff"\nprimery = "#fff"', "unknown key primery"),
        ('primary = "#fff"\ndark = "yes"', "dark is true or false"),
        ('primary = "#fff"\nname = 3', "name is a text"),
        ('primary = "#fff"\n[variables]\nborder = "?"', "border is not a colour"),
        ('primary = "#fff"\n[variables]\nborder = 3', "variables maps names to text"),
        ('primary = "[/foo]\\u001b[31m"', "primary is not a colour"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ThemeError, match=said):
        read_theme(path)
    found = read_themes(tmp_path)
    assert found.themes == {}
    assert len(found.problems) == 1 and "mine.toml" in found.problems[0]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    assert len(read_themes(tmp_path).problems) == 1


def test_the_users_theme_wins(tmp_path: Path) -> None:
    (tmp_path / "ragterm.toml").write_text('primary = "#010203"', encoding="utf-8")
    assert read_themes(shipped("themes"), tmp_path).themes["ragterm"].primary == "#010203"


async def test_a_bad_file_is_one_toast_and_the_app_goes_on(tmp_path: Path) -> None:
    from support.fake_engine import FakeEngine

    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "bad [b +.toml").write_text("primary = ", encoding="utf-8")
    app = make_app(FakeEngine(home=tmp_path))
    async with running(app) as pilot:
        await until(pilot, lambda: "A theme was left out" in screen_text(app))
        assert "bad [b +.toml" in screen_text(app)
        assert app.theme == "ragterm"


async def test_a_theme_of_the_users_is_used_and_reloaded_when_it_changes(tmp_path: Path) -> None:
    import os

    from support.fake_engine import FakeEngine

    path = tmp_path / "themes" / "mine.toml"
    path.parent.mkdir()
    path.write_text('primary = "#102030"', encoding="utf-8")
    app = make_app(FakeEngine(home=tmp_path), theme="mine")
    async with running(app) as pilot:
        await until(pilot, lambda: app.theme == "mine")
        path.write_text('primary = "#405060"', encoding="utf-8")
        os.utime(path, ns=(1, 1))
        app._reload_changed()
        assert app.current_theme.primary == "#405060"
        await pilot.pause()
        assert app.theme_variables["primary"].lower() == "#405060"


async def test_a_theme_that_is_not_there_is_said(tmp_path: Path) -> None:
    app = make_app(theme="nowhere")
    async with running(app) as pilot:
        await until(pilot, lambda: "There is no theme named nowhere" in screen_text(app))
        assert app.theme == "ragterm"


async def test_choosing_previews_and_esc_brings_the_old_one_back() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("f9")
        await pilot.press("home")
        await pilot.pause()
        assert app.theme != "ragterm"
        await pilot.press("escape")
        assert app.theme == "ragterm"
