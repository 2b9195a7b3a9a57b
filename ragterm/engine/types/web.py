"""Addresses of web pages, which stand where paths stand, and how many pages of a site to take."""

from __future__ import annotations

from dataclasses import dataclass


def is_url(path: str) -> bool:
    return path[:8].lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class WebOptions:
    """`site`: follow the links of a page within its host, up to so many `pages`; else the page alone."""

    site: bool = False
    pages: int = 50
