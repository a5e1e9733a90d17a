# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face hub of one machine: the few answers that a download takes, over real sockets."""

from __future__ import annotations

from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
from pathlib import Path
import threading
from urllib.parse import unquote, urlsplit

COMMIT = '0123456789abcdef0123456789abcdef01234567'


class FakeHub:
    """Context manager that serves folders as repositories.

    Args:
        repositories: Name of a repository to the folder with its files.

    Attributes:
        gated: Repositories whose files are given to nobody.
        breaks: Name of a file to how many of its next answers break off half way.
        downloads: Name and first byte of every file that was asked for.
    """

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.gated: set[str] = set()
        self.breaks: dict[str, int] = {}
        self.downloads: list[tuple[str, int]] = []

    def __enter__(self) -> FakeHub:
        handler = type('Handler', (_Handler,), {'hub': self})
        self._server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Address of the hub."""
        return f'http://127.0.0.1:{self._server.server_port}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    hub: FakeHub

    def log_message(self, *_arguments: object) -> None:
        """Stay quiet."""

    def do_HEAD(self) -> None:
        """Describe a file."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """Send a list of files, or a file."""
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip('/').split('/')]
        if parts[:2] == ['api', 'models']:
            self._send_list('/'.join(parts[2:4]))
        else:
            self._send_file('/'.join(parts[:2]), '/'.join(parts[4:]), with_body=with_body)

    def _send_list(self, repository: str) -> None:
        folder = self.hub.repositories.get(repository)
        if folder is None:
            self._send_error(401, 'RepoNotFound')
            return
        siblings = [{'rfilename': str(path.relative_to(folder)), 'size': path.stat().st_size}
                    for path in sorted(folder.rglob('*')) if path.is_file()]
        content = json.dumps({'id': repository, 'sha': COMMIT, 'siblings': siblings,
                              'tags': [], 'private': False, 'downloads': 0, 'likes': 0}).encode()
        self._send_headers(200, len(content), {'Content-Type': 'application/json'})
        self.wfile.write(content)

    def _send_file(self, repository: str, name: str, *, with_body: bool) -> None:
        if repository in self.hub.gated:
            self._send_error(403, 'GatedRepo')
            return
        content = (self.hub.repositories[repository] / name).read_bytes()
        first = 0
        if with_body and 'Range' in self.headers:
            first = int(self.headers['Range'].removeprefix('bytes=').split('-')[0])
        self._send_headers(206 if first else 200, len(content) - first, {
            'ETag': f'"{sha256(content).hexdigest()}"', 'X-Repo-Commit': COMMIT,
            'Accept-Ranges': 'bytes', 'Content-Range': f'bytes {first}-/{len(content)}'})
        if with_body:
            self.hub.downloads.append((name, first))
            self._send_body(name, content[first:])

    def _send_body(self, name: str, content: bytes) -> None:
        if self.hub.breaks.get(name):
            self.hub.breaks[name] -= 1
            self.wfile.write(content[:len(content) // 2])
            self.close_connection = True
        else:
            self.wfile.write(content)

    def _send_error(self, status: int, code: str) -> None:
        self._send_headers(status, 0, {'X-Error-Code': code, 'X-Error-Message': code})

    def _send_headers(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, 'Content-Length': str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
