"""An S3 server on this machine that is watched and disturbed: moto's, behind a front."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
KEY, SECRET = "a-key-of-tests", "a-secret-that-nobody-may-see"
IF_MATCH, IF_NONE_MATCH = "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"
BUCKET = "bars"


@dataclass(frozen=True)
class Request:
    """What was asked: `path` is bucket/key."""

    method: str
    path: str
    query: str = ""
    conditions: frozenset[str] = frozenset()

    @property
    def is_list(self):
        return "list-type" in self.query


class _Silent(WSGIRequestHandler):
    def log(self, *_):
        pass


@dataclass
class Server:
    """S3 over a socket of loopback.

    `interfere` may answer in its place with (status, code), or do something first and return None;
    `ignored` are conditions that it does not know, by the name of the header; `cut` objects whose
    bodies break off in the middle, by how often. `sent` are the sizes of all bodies.
    """

    interfere: Callable[[Request], tuple[int, str] | None] | None = None
    ignored: set[tuple[str, str]] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def __post_init__(self):
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto looks at a condition and then writes: S3 does both in one.
        self._one = threading.Lock()
        self._http = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent
        )
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def calm(self):
        """Forget what was asked, and disturb nothing."""
        self.interfere, self.ignored, self.cut, self.seen, self.sent = None, set(), {}, [], []

    def bucket(self):
        """Return the name of a bucket that is empty now; always the same.

        What has reached it once in this process reaches it still, which saves half a second.
        """
        with self._one:
            if BUCKET not in self._backend.buckets:
                self._backend.create_bucket(BUCKET, "us-east-1")
            self._backend.buckets[BUCKET].keys.clear()
        return BUCKET

    def objects(self, bucket):
        """Return what is in a bucket: bytes by key."""
        with self._one:
            keys = self._backend.buckets[bucket].keys
            return {name: keys[name].value for name in sorted(keys)}

    def put(self, bucket, key, content):
        """Write an object behind everybody's back."""
        with self._one:
            self._backend.put_object(bucket, key, content)

    @property
    def _backend(self):
        return s3_backends[ACCOUNT]["aws"]

    def _answer(self, environ, start):
        given = {name for name in (IF_MATCH, IF_NONE_MATCH) if name in environ}
        path = environ["PATH_INFO"].strip("/")
        request = Request(
            environ["REQUEST_METHOD"], path, environ["QUERY_STRING"], frozenset(given)
        )
        self.seen.append(request)
        if self.interfere is not None and (refusal := self.interfere(request)) is not None:
            status, code = refusal
            start(f"{status} {code}", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()]
        for method, name in self.ignored:
            if method == request.method:
                environ.pop(name, None)
        with self._one:
            parts = list(self._moto(environ, start))
        self.sent.append(sum(map(len, parts)))
        if request.method == "GET" and self.cut.get(path, 0) > 0:
            self.cut[path] -= 1
            body = b"".join(parts)
            return [body[: len(body) // 2]]
        return parts


@contextlib.contextmanager
def served():
    """Serve as long as the context lasts."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


def environment(url):
    """What a process must find in its environment to reach the server, and nothing of the user's."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent/config",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
        "AWS_MAX_ATTEMPTS": "1",
        "NO_PROXY": "127.0.0.1",
    }
