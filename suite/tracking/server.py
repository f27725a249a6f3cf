"""The tracking server as a child process: started, waited for, and stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO

from suite.tracking.address import mask, sqlite_path
from suite.tracking.database import damage, is_made

READY_SECONDS = 120.0
"""A first start on a new PostgreSQL database took 76 s on two cores."""
STOP_SECONDS = 10.0
HOST = "127.0.0.1"
DEFAULT_PORT = 5000

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Jobs serve generative-AI features only, and cost 1.3 GB and most of the start-up time.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


class Server:
    """A running tracking server."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        """Take over a process that answers at `url` and writes to `log`."""
        self.process = process
        self.url = url
        self.log = log

    def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """End the server and its workers."""
        _stop(self.process)

    def __enter__(self) -> Server:
        """The server itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop it."""
        self.stop()


def start_server(store: str, home: Path, port: int = DEFAULT_PORT) -> Server:
    """Start `mlflow server` on 127.0.0.1 and wait until it answers.

    Args:
        store: database URI, see `suite.tracking.tracking_uri`.
        home: folder of the artifacts (`mlartifacts`, beside a sqlite database) and of the server's log.
        port: where to listen; 0 takes a free one.

    Raises:
        ValueError: the port is taken, or the server ends or does not answer within 120 s; the line says what to do.
    """
    port = port or _free_port()
    _refuse_taken(port)
    home.mkdir(parents=True, exist_ok=True)
    log = home / "mlflow-server.log"
    with log.open("wb") as output:
        _make_tables(store, log, output)
        process = subprocess.Popen(
            server_command(home, port),
            env=_environment(store),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, f"http://{HOST}:{port}", log)
    try:
        _await(server, store)
    except BaseException:
        server.stop()
        raise
    return server


def _make_tables(store: str, log: Path, output: IO[bytes]) -> None:
    """Make the tables of a new sqlite store, in a process that gives its memory back: the server's own can be torn."""
    path = sqlite_path(store)
    if path is None or is_made(path):
        return
    code = (
        "import pathlib, sys; from suite.tracking.database import make_tables as make; make(pathlib.Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, env=_environment(store), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if done.returncode:
        raise ValueError(f"the tracking store cannot be made: {_fault(log, store)}")


def server_command(home: Path, port: int) -> list[str]:
    """The plain command of `mlflow_server/serve.sh`; the store is in the environment, where no password shows."""
    artifacts = str(home.resolve() / "mlartifacts")
    options = {"--host": HOST, "--port": str(port), "--workers": "1", "--artifacts-destination": artifacts}
    return [sys.executable, "-m", "mlflow", "server", *(word for option in options.items() for word in option)]


def _environment(store: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return {**inherited, **ENVIRONMENT, "MLFLOW_BACKEND_STORE_URI": store}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            return
        except OSError as error:
            fault = error.strerror
    if _answers(f"http://{HOST}:{port}"):
        raise ValueError(f"a tracking server already answers at http://{HOST}:{port}; use it, or choose another --port")
    raise ValueError(f"port {port}: {fault} ({_holder(port)}); choose another --port or end that process")


def _holder(port: int) -> str:
    """Which process listens on a port of this machine, as far as the system lets one see."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":  # listening
                inodes.add(f"socket:[{fields[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in inodes:
                words = (link.parent.parent / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return f"process {link.parent.parent.name}, {Path(words[0]).name}"
        except OSError:
            continue
    return f"`lsof -i :{port}` shows by whom"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.read(16).strip() == b"OK")
    except (OSError, ValueError, http.client.HTTPException):  # the last of what answers but is no web server
        return False


def _await(server: Server, store: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(server.url):
        if server.process.poll() is not None:
            raise ValueError(f"the tracking server ended at once: {_fault(server.log, store)}")
        if time.monotonic() > deadline:
            raise ValueError(
                f"the tracking server did not answer within {READY_SECONDS:.0f} s: {_fault(server.log, store)}"
            )
        time.sleep(0.2)


def _fault(log: Path, store: str) -> str:
    """What the end of the log means, with the remedy where it is known."""
    text = mask(log.read_text(errors="replace"))
    path = sqlite_path(store)
    fault = None if path is None else damage(path, text)
    if fault is not None:
        return fault
    if "out-of-date database schema" in text:
        backup = f"copy {path}" if path is not None else "back it up"
        return f"the store was written by an older MLflow; {backup}, then run `mlflow db upgrade {mask(store)}`"
    if "No module named 'psycopg" in text:
        return "PostgreSQL needs a driver: pip install 'psycopg[binary]'"
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it wrote nothing")
    return f"{last[:300]} (all of it is in {log})"


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)  # its own session, so its workers go with it
        except ProcessLookupError:
            pass
        try:
            process.wait(STOP_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue
