"""A real kernel as a notebook has it, and servers for its cells."""

import contextlib
import json
import queue
import sys
import threading
from dataclasses import dataclass, field

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from bwsresearch import server
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket

WAIT_S = 60
NOW_MS = 1_700_000_000_000


@dataclass
class Ran:
    """What became of one cell."""

    status: str = ""
    count: int = 0
    out: str = ""
    err: str = ""
    result: str = ""
    error: tuple = ()
    traceback: list = field(default_factory=list)


class Kernel:
    """A kernel's process and the channels to it."""

    def __init__(self, folder, environment):
        self.manager = KernelManager(connection_file=str(folder / "kernel.json"))
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="this Python")
        self.log = (folder / "kernel.log").open("w+")
        self.manager.start_kernel(env=environment, stdout=self.log, stderr=self.log)
        self._connect()

    def _connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)

    @property
    def pid(self):
        return self.manager.provisioner.pid

    def queue(self, code):
        """Send a cell, as Run All does, without waiting for anything."""
        return self.client.execute(code, allow_stdin=False, stop_on_error=False)

    def run(self, code):
        return self.wait(self.queue(code))

    def wait(self, asked):
        """Return what became of a cell when it is over."""
        return self.wait_all([asked])[0]

    def wait_all(self, asked):
        """Return what became of some cells when all are over; they must end in this order."""
        ran = {one: Ran() for one in asked}
        ended = []
        while len(ended) < len(asked):
            message = self.client.get_iopub_msg(timeout=WAIT_S)
            one, content = message["parent_header"].get("msg_id"), message["content"]
            if one not in ran:
                continue
            match message["msg_type"]:
                case "stream" if content["name"] == "stdout":
                    ran[one].out += content["text"]
                case "stream":
                    ran[one].err += content["text"]
                case "execute_result":
                    ran[one].result = content["data"]["text/plain"]
                case "error":
                    ran[one].error = (content["ename"], content["evalue"])
                    ran[one].traceback = content["traceback"]
                case "status" if content["execution_state"] == "idle":
                    ended.append(one)
        for one in asked:
            content = self._reply(one)
            ran[one].status, ran[one].count = content["status"], content["execution_count"]
        assert ended == asked
        return [ran[one] for one in asked]

    def says(self, asked, text):
        """Wait until a cell has printed this."""
        seen = ""
        while text not in seen:
            message = self.client.get_iopub_msg(timeout=WAIT_S)
            if message["parent_header"].get("msg_id") == asked and message["msg_type"] == "stream":
                seen += message["content"]["text"]

    def ask(self, request, *args):
        """Send another request than a cell, and return the content of its reply."""
        return self._reply(getattr(self.client, request)(*args))

    def _reply(self, asked):
        while True:
            reply = self.client.get_shell_msg(timeout=WAIT_S)
            if reply["parent_header"].get("msg_id") == asked:
                return reply["content"]

    def interrupt(self):
        self.manager.interrupt_kernel()

    def restart(self):
        self.client.stop_channels()
        self.manager.restart_kernel(now=False)
        self._connect()

    def shutdown(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel()
        self.manager.cleanup_resources()
        self.log.close()


@contextlib.contextmanager
def started(folder, **environment):
    home = {
        name: str(folder / name.lower())
        for name in (
            "HOME",
            "IPYTHONDIR",
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "BWS_CACHE_DIR",
        )
    }
    kernel = Kernel(folder, {"PATH": "/usr/bin:/bin", **home, **environment})
    try:
        yield kernel
    finally:
        kernel.shutdown()


@pytest.fixture(scope="module")
def exchange():
    """A local exchange that pings every 0.2 s, on a socket."""
    settings = {"net": {"ping_interval": 0.2, "pong_timeout": 20.0}}
    gateway = Gateway(SyntheticMarket(), Config.of(settings))
    with server.hosted(gateway, clock=lambda: NOW_MS) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(exchange, tmp_path_factory):
    """One kernel for the tests of a module, with the exchange as its server."""
    with started(tmp_path_factory.mktemp("kernel"), BWS_SERVER=exchange.url) as running:
        yield running


@pytest.fixture
def fresh(exchange, tmp_path):
    """A kernel of its own for a test that ends it."""
    with started(tmp_path, BWS_SERVER=exchange.url) as running:
        yield running


class Holding:
    """A server that answers `ping` and nothing else, tells what it is asked, and pings each 0.2 s."""

    def __init__(self):
        self.asked, self.pongs = queue.Queue(), queue.Queue()
        self.connections = 0
        self._end = threading.Event()

    def attend(self, socket):
        self.connections += 1
        pinging = threading.Thread(target=self._ping, args=(socket,))
        pinging.start()
        with contextlib.suppress(ConnectionClosed):
            for text in socket:
                request = json.loads(text)
                self.asked.put(request["method"])
                if request["method"] == "ping":
                    socket.send(json.dumps({"id": request["id"], "status": 200, "result": {}}))
        pinging.join()

    def _ping(self, socket):
        """Ping and note each pong; a connection whose pong does not come is cut."""
        with contextlib.suppress(ConnectionClosed):
            while not self._end.wait(0.2):
                if not socket.ping().wait(10):
                    socket.close_socket()
                self.pongs.put(socket)

    def forget(self):
        """Empty the notes."""
        for notes in (self.asked, self.pongs):
            with contextlib.suppress(queue.Empty):
                while True:
                    notes.get_nowait()

    def pinged(self, times):
        """Wait until the client has answered so many pings from now on."""
        self.forget()
        for _ in range(times):
            self.pongs.get(timeout=WAIT_S)

    def close(self):
        self._end.set()


@pytest.fixture
def holding():
    """A server whose answers can be waited for in vain."""
    one = Holding()
    with serve(one.attend, "127.0.0.1", 0, ping_interval=None) as listener:
        host, port = listener.socket.getsockname()
        one.url = f"ws://{host}:{port}/ws-api/v3"
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield one
        one.close()
    thread.join()
