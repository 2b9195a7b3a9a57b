"""Where a server is: the forms of OLLAMA_HOST, checked against what Ollama's own client makes of them."""

from __future__ import annotations

import pytest
from ollama._client import _parse_host

from ragterm.engine.llm.addresses import is_loopback, ollama_url, require_allowed
from ragterm.engine.types.errors import ConfigError, OfflineError


@pytest.mark.parametrize(
    "written",
    [
        "1.2.3.4",
        ":56789",
        "1.2.3.4:56789",
        "http://1.2.3.4",
        "https://1.2.3.4",
        "https://example.com:56789/path/",
        "example.com/",
        "[0001:002:003:0004::1]:56789",
        "http://[0001:002:003:0004::1]",
        "LOCALHOST:99",
    ],
)
def test_an_address_is_read_as_ollamas_client_reads_it(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", written)
    assert ollama_url() == _parse_host(written)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("::1", "http://[::1]:11434"),
        (" 'box:1' ", "http://box:1"),
    ],
)
def test_an_address_to_listen_on_is_one_to_connect_to(written: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", written)
    assert ollama_url() == url


def test_the_setting_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "elsewhere:1")
    assert ollama_url("here:2") == "http://here:2"


@pytest.mark.parametrize("written", ["host:notaport", "host:99999", "[::1"])
def test_an_address_that_is_none_says_so(written: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ollama_url(written)
    assert "OLLAMA_HOST=" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:1", True),
        ("http://LocalHost.:1", True),
        ("http://a.localhost", True),
        ("http://127.0.0.1.example.com", False),
        ("http://192.168.1.2", False),
        ("http://localhost.example.com", False),
    ],
)
def test_offline_lets_only_this_machine_through(url: str, here: bool) -> None:
    assert is_loopback(url) is here
    require_allowed(url, offline=False)
    if here:
        require_allowed(url, offline=True)
    else:
        with pytest.raises(OfflineError):
            require_allowed(url, offline=True)
