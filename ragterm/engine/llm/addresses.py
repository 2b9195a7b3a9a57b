"""Where a language model's server is: the forms OLLAMA_HOST may take, and what counts as this machine.

The same forms as Ollama's own `envconfig.Host`: a host, a port, both, with or without a scheme. An address that only
makes sense to listen on (0.0.0.0, [::]) is read as loopback, since it cannot be connected to everywhere.
"""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from ragterm.engine.types.errors import ConfigError, OfflineError

DEFAULT_PORT = 11434


def ollama_url(setting: str = "") -> str:
    """The server's base URL, without a slash at the end: `setting`, else OLLAMA_HOST, else http://127.0.0.1:11434.

    Raises ConfigError when the address has no valid port or host.
    """
    written = setting.strip() or os.environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    scheme, separator, rest = written.rpartition("://")
    port = {"http": 80, "https": 443}.get(scheme.lower(), DEFAULT_PORT) if separator else DEFAULT_PORT
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # an IPv6 address without its brackets
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "127.0.0.1", parts.port or port
    except ValueError as error:
        raise ConfigError(
            "The address of Ollama cannot be used", f"{written!r}: {error}", "write it as OLLAMA_HOST=127.0.0.1:11434"
        ) from error
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    if ":" in host:
        host = f"[{host}]"
    path = parts.path.rstrip("/")
    return f"{scheme.lower() or 'http'}://{host}:{port}{path}"


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine itself, without asking a name server."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_allowed(url: str, offline: bool) -> None:
    """Raises OfflineError when `offline` holds and `url` leads beyond this machine."""
    if offline and not is_loopback(url):
        raise OfflineError(
            "offline = true",
            f"{url} is not on this machine",
            "use a server on 127.0.0.1, or set privacy.offline = false",
        )
