"""One page from the web, for a person who named it: bounded, and never from where only this machine can see.

A server may lead elsewhere: by a redirect, by a name that resolves to 127.0.0.1 or to the router's page, or by one that resolves
differently the second time. So every connection, after every redirect too, is made to an address that was looked at, not to a name
(server-side request forgery, DNS rebinding). Cookies, passwords in URLs, scripts and proxies are not used.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpcore

from ragterm import __version__
from ragterm.engine.types.errors import OfflineError, ParseError

USER_AGENT = f"ragterm/{__version__}"
MOST_REDIRECTS = 5
TIMEOUT_SECONDS = 20.0
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Page:
    """What a server gave. `url` is where it was found, after redirects; `content_type` in lower case without parameters; `mark` is what
    the server calls this version (ETag or Last-Modified, "" for neither)."""

    url: str
    content_type: str
    body: bytes
    mark: str = ""
    charset: str = ""


class Refused(ParseError):
    """The server answered, with `status` and no page."""

    def __init__(self, title: str, message: str, hint: str, status: int) -> None:
        super().__init__(title, message, hint, stage="read")
        self.status = status


def normalised(url: str) -> str:
    """`url` as it is kept: scheme and host in lower case, no default port, no fragment, no name and password, a path.

    Raises ParseError for what is no address of a web page."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _no_address(url, str(error)) from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise _no_address(url, "it needs http:// or https:// and a host")
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise _no_address(url, "the host's name is not valid") from error
    shown = f"[{host}]" if ":" in host else host
    if port and port != _PORTS[scheme]:
        shown += f":{port}"
    path = re.sub(r"[\x00-\x20\x7f-\x9f\"<>\\^`{|}]|[^\x00-\x7f]", _escaped, parts.path or "/")
    query = re.sub(r"[\x00-\x20\x7f-\x9f\"<>\\^`{|}]|[^\x00-\x7f]", _escaped, parts.query)
    return urlunsplit((scheme, shown, path, query, ""))


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "surrogatepass"))


class Fetcher:
    """Fetches pages one after the other over connections that stay open. Not for several threads. `private` admits addresses of this
    machine and its network."""

    def __init__(self, offline: bool = False, private: bool = False, max_bytes: int = 200 * 1024 * 1024) -> None:
        self._offline, self._max_bytes = offline, max_bytes
        self._pool = httpcore.ConnectionPool(network_backend=_Guarded(private), max_connections=4, keepalive_expiry=15)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def page(self, url: str, mark: str = "") -> Page | None:
        """The page, None where the server says that `mark` is still its version.

        Raises OfflineError, and ParseError (stage "read") where there is none to be had: refused, missing, too large, too slow."""
        url = normalised(url)
        if self._offline:
            raise OfflineError(
                "offline = true",
                f"{url} is not on this machine",
                "set privacy.offline = false, or save the page to a file",
            )
        for _ in range(MOST_REDIRECTS + 1):
            status, headers, body = self._get(url, mark)
            target = headers.get("location", "")
            if status in (301, 302, 303, 307, 308) and target:
                url = normalised(urljoin(url, target))
                continue
            if status == 304 and mark:
                return None
            if status != 200:
                raise _refused(url, status)
            kind, _, parameters = headers.get("content-type", "").partition(";")
            charset = _CHARSET.search(parameters)
            version = headers.get("etag") or headers.get("last-modified") or ""
            return Page(url, kind.strip().lower(), body, version, charset.group(1) if charset else "")
        raise ParseError("Too many redirects", f"{url} leads on and on", "check the address in a browser", stage="read")

    def _get(self, url: str, mark: str) -> tuple[int, Mapping[str, str], bytes]:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "Accept-Encoding": "gzip",
        }
        if mark:
            headers["If-Modified-Since" if mark.endswith("GMT") else "If-None-Match"] = mark
        seconds = TIMEOUT_SECONDS
        limits = {"timeout": {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}}
        try:
            with self._pool.stream(
                "GET", url, headers={"Host": urlsplit(url).netloc, **headers}, extensions=limits
            ) as answer:
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                body = self._body(url, answer.iter_stream(), found.get("content-encoding", ""))
                return answer.status, found, body
        except httpcore.TimeoutException as error:
            raise ParseError(
                "The server does not answer", f"{url}: nothing within {seconds:.0f} s", "try again later", stage="read"
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            raise ParseError(
                "The page cannot be fetched",
                f"{url}: {error or type(error).__name__}",
                "check the address and the network",
                stage="read",
            ) from error

    def _body(self, url: str, parts: Iterable[bytes], encoding: str) -> bytes:
        """All of it, unpacked, as far as the limit allows: a small answer may unpack to a large one."""
        if encoding.lower() not in ("", "identity", "gzip", "x-gzip"):
            raise ParseError(
                "The page cannot be fetched", f"{url} is packed as {encoding!r:.40}", "save it to a file", stage="read"
            )
        unpack = zlib.decompressobj(31) if "gzip" in encoding.lower() else None
        body = bytearray()
        for part in parts:
            try:
                body += unpack.decompress(part, self._max_bytes + 1 - len(body)) if unpack else part
            except zlib.error as error:
                raise ParseError("The page is damaged", f"{url}: {error}", "try again", stage="read") from error
            if len(body) > self._max_bytes:
                raise ParseError(
                    "The page is too large",
                    f"{url} is over {self._max_bytes / 1024**2:.0f} MB (ingest.max_file_mb)",
                    "raise the limit, or save a part of it to a file",
                    stage="read",
                )
        return bytes(body)


class _Guarded(httpcore.NetworkBackend):  # type: ignore[misc]
    """Connects to addresses that anyone may see."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        error: Exception | None = None
        for address in addresses_of(host, port):
            if not self._private and not is_public(address):
                raise ParseError(
                    "A private address",
                    f"{host if host == address else f'{host} ({address})'} is on this machine or its network",
                    "save the page to a file, or: ragterm config set privacy.private_addresses true",
                    stage="read",
                )
            try:
                return self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("only the network is used")


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, as its name server gives them. Raises httpcore.ConnectError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"no such host: {host}") from error
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet: none of this machine, its network, or the special ranges (RFC 6890), also not
    as an IPv6 form of an IPv4 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast


def _no_address(url: str, why: str) -> ParseError:
    return ParseError(
        "Not the address of a page", f"{url!r:.200}: {why}", "write it as https://host/path", stage="read"
    )


def _refused(url: str, status: int) -> Refused:
    why = {
        401: "it wants a password",
        403: "the server refuses",
        404: "there is no such page",
        410: "the page is gone",
    }.get(status)
    return Refused(
        "The page cannot be fetched",
        f"{url}: {why or 'the server says'} ({status})",
        "try again later" if status >= 500 or status == 429 else "check the address in a browser",
        status,
    )
