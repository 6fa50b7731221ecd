"""Servers of all kinds for the client: the local exchange, scripted ones, and a bad front door."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from bwsresearch import server
from bwsresearch.client.bridge import Bridge
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket

NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="session")
def market():
    return SyntheticMarket()


@pytest.fixture
def hosted(market):
    """Start a local exchange with these settings, TLS or not; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(settings=None, tls=None):
            gateway = Gateway(market, Config.of(settings or {}))
            return stack.enter_context(server.hosted(gateway, clock=lambda: NOW_MS, ssl=tls))

        yield start


@pytest.fixture
def exchange(hosted):
    return hosted()


@pytest.fixture
def bridge():
    own = Bridge()
    yield own
    own.stop()


@pytest.fixture
def connected(bridge):
    """Make clients on a bridge that ends with the test."""

    def connect(to, **options):
        return Client(to, bridge=bridge, **options)

    return connect


@pytest.fixture
def free_port():
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@dataclass
class Link:
    """One connection of a scripted server, as its script sees it."""

    number: int
    socket: object
    server: object

    async def request(self):
        """Return the next request, or leave the script when the client is gone."""
        request = json.loads(await self.socket.recv())
        await self.server.note(self.server.requests, (self.number, request))
        return request

    async def answer(self, request, result):
        await self.say({"id": request["id"], "status": 200, "result": result})

    async def say(self, message):
        await self.socket.send(json.dumps(message))

    def cut(self):
        self.socket.transport.abort()


@dataclass
class Scripted:
    """A server that does what a script says: `requests` are (number of the connection, frame)."""

    script: object
    url: str = ""
    requests: list = field(default_factory=list)
    handshakes: list = field(default_factory=list)
    closes: list = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def attend(self, socket):
        self.handshakes.append(socket.request)
        link = Link(len(self.handshakes), socket, self)
        with contextlib.suppress(ConnectionClosed):
            await self.script(link)
            await socket.wait_closed()
        await self.note(self.closes, link.number)

    async def note(self, notes, what):
        async with self.changed:
            notes.append(what)
            self.changed.notify_all()

    async def requested(self, count):
        """Wait until so many requests have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.requests) >= count)

    async def closed(self, number):
        """Wait until that connection has been closed."""
        async with self.changed:
            await self.changed.wait_for(lambda: number in self.closes)


@pytest.fixture
def scripted():
    """Serve a script, `async def script(link)`, for each connection."""

    @contextlib.asynccontextmanager
    async def start(script):
        one = Scripted(script)
        async with serve(one.attend, "127.0.0.1", 0, max_size=None) as listener:
            one.url = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/ws-api/v3"
            yield one

    return start


@pytest.fixture
def front_door():
    """Listen before a real server; the first connection meets `bad`, all others the server."""

    @contextlib.asynccontextmanager
    async def open_door(bad, real_url="ws://127.0.0.1:1"):
        visits = []

        async def attend(reader, writer):
            visits.append(asyncio.current_task())
            try:
                await (
                    bad(reader, writer) if len(visits) == 1 else _pass_on(reader, writer, real_url)
                )
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the client has left
            finally:
                await _closed(writer)

        async with await asyncio.start_server(attend, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            try:
                yield f"ws://127.0.0.1:{port}/ws-api/v3"
            finally:
                for visit in visits:
                    visit.cancel()
                await asyncio.gather(*visits, return_exceptions=True)

    return open_door


async def _pass_on(reader, writer, url):
    parts = urlsplit(url)
    far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
    there = asyncio.ensure_future(_pump(reader, far_writer))
    try:
        await _pump(far_reader, writer)
    finally:
        there.cancel()
        await asyncio.gather(there, return_exceptions=True)
        await _closed(far_writer)


async def _pump(reader, writer):
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


async def _closed(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@dataclass(frozen=True)
class Authority:
    """A private certificate authority, and a server's context that it vouches for."""

    file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    return _authority(folder)


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory):
    return _authority(tmp_path_factory.mktemp("other"))


def _authority(folder):
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority of a test")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    ca = _certificate(ca_name, ca_key, ca_name, ca_key, ca=True)
    ours = _certificate(name, key, ca_name, ca_key, ca=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        ours.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(folder / "ca.pem", context)


def _certificate(subject, key, issuer, issuer_key, *, ca):
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if ca:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass
class Script:
    """A Python process that a test started."""

    process: object

    @property
    def pid(self):
        return self.process.pid

    async def line(self):
        """Return the next line that it prints."""
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().rstrip("\n")

    async def end(self):
        """End its stdin; return its exit code, the rest of its output, and its stderr."""
        self.process.stdin.close()
        out, err = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, out.decode().splitlines(), err.decode()


@pytest.fixture
async def script():
    """Start Python on some code, with warnings shown; it ends with the test."""
    started = []

    async def start(code, *args):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "default",
            "-c",
            textwrap.dedent(code),
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return Script(process)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()
