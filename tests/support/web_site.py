"""A small web site on loopback: pages by path, every request noted."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebSite:
    """`pages` maps a path to (status, headers, body)."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []

    def html(self, path: str, body: str, **headers: str) -> None:
        self.pages[path] = (200, {"Content-Type": "text/html; charset=utf-8", **headers}, body.encode())

    def links(self, path: str, *targets: str, head: str = "") -> None:
        self.html(
            path, f"<html><head>{head}</head><body>{''.join(f'<a href={t!r}>x</a>' for t in targets)}</body></html>"
        )

    def file(self, path: str, body: bytes, kind: str, packed: bool = False) -> None:
        headers = {"Content-Type": kind, **({"Content-Encoding": "gzip"} if packed else {})}
        self.pages[path] = (200, headers, gzip.compress(body) if packed else body)

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        self.pages[path] = (status, {"Location": target}, b"")


@contextmanager
def web_site() -> Iterator[WebSite]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append(self.path)
            status, headers, body = site.pages.get(self.path, (404, {}, b"nothing here"))
            if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
                status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = WebSite(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
