"""A real team server, a real PostgreSQL, a real bucket and a real TLS proxy, each on a free port, for the tests."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_server.health import check_health

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "mlflow_server"
ADMINISTRATOR = ("admin", "correct-horse-battery-0")
KEY = "0123456789abcdef" * 4
READY_SECONDS = 120.0
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AWS_", "PG"))}
"""What is set on the machine for other servers reaches none of these."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_true(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.2)  # a server says it is ready on its port alone: there is nothing to wait on


def program(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """One of the folder's programs, as its README starts it."""
    command = [sys.executable, "-m", f"mlflow_server.{name}", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=CLEAN, capture_output=True, text=True, timeout=120)


def postgres_binaries() -> Path | None:
    """Where PostgreSQL's own programs are: on the path, or where Debian puts them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


@dataclass
class Postgres:
    """A PostgreSQL of its own with password authentication; it does not run as root, so then another user runs it."""

    binaries: Path
    folder: Path
    port: int = field(default_factory=free_port)
    user: str = "mlflow"
    password: str = "battery-of-a-database-7"

    def create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(self._runner() or "nobody")
            for path in (self.folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        words = ["-A", "scram-sha-256", "-U", self.user, "--pwfile", str(secret), "-E", "UTF8", "--locale=C", "-N"]
        self._run("initdb", *words)
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "fast", "-w", "stop")

    def kill(self) -> None:
        """SIGKILL to it and its backends, which are a session of their own."""
        process = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.killpg(process, signal.SIGKILL)
        while Path(f"/proc/{process}").exists():
            time.sleep(0.02)

    def database(self, verb: str, name: str) -> str:
        """`createdb` or `dropdb`; returns the address without the password."""
        words = [str(self.binaries / verb), "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-w", name]
        subprocess.run(words, env={**CLEAN, "PGPASSWORD": self.password}, check=True, capture_output=True)
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{name}"

    def _run(self, name: str, *words: str) -> None:
        command = [str(self.binaries / name), "-D", str(self.folder / "data"), *words]
        quiet = subprocess.DEVNULL  # a pipe would stay open in the server, and never end
        subprocess.run(command, check=True, cwd=self.folder, user=self._runner(), stdout=quiet, stderr=quiet)

    @staticmethod
    def _runner() -> str | None:
        if os.geteuid() != 0:
            return None
        return next(user for user in ("postgres", "nobody") if user in {entry.pw_name for entry in pwd.getpwall()})


@contextmanager
def postgres(binaries: Path) -> Iterator[Postgres]:
    """A running PostgreSQL; outside pytest's folders, which only their owner may enter."""
    folder = Path(tempfile.mkdtemp(prefix="suite-postgres-"))
    try:
        running = Postgres(binaries, folder)
        running.create()
        yield running
        running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Team:
    """A team server by its settings: started, asked, stopped, backed up."""

    home: Path
    database: str = ""
    artifacts: str = ""
    s3_endpoint: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        written = {
            "address": f"https://localhost:{self.tls_port}",
            "listen": f"127.0.0.1:{self.port}",
            "database": self.database,
            "artifacts": self.artifacts,
            "s3_endpoint": self.s3_endpoint,
        }
        lines = [f'{name} = "{value}"' for name, value in written.items() if value]
        self.settings.write_text("\n".join([*lines, "workers = 1"]) + "\n")
        self.secrets = {
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMINISTRATOR[1],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": KEY,
        } | self.secrets
        secrets = self.home / "secrets.env"
        secrets.write_text("".join(f"{name}={value}\n" for name, value in self.secrets.items()))
        secrets.chmod(0o600)

    @property
    def settings(self) -> Path:
        return self.home / "server.toml"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow_server.serve", str(self.settings)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=CLEAN, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            await_true(self.is_well, self.process, self.log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)

    def is_well(self) -> bool:
        try:
            check_health(self.url)
        except ValueError:
            return False
        return True

    def status(
        self, path: str, user: tuple[str, str] | None = None, *, body: bytes | None = None, **headers: str
    ) -> int:
        """What the server answers; `Host` and `Origin` are headers."""
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if user is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(user).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@contextmanager
def bucket(name: str) -> Iterator[str]:
    """The endpoint of an S3-compatible service (moto) that has one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    service = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    service.start()
    host, port = service.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=name)
    yield endpoint
    service.stop()


@contextmanager
def tls_proxy(nginx: str, folder: Path, team: Team) -> Iterator[Path]:
    """The folder's nginx.conf before a server, with a certificate of our own; gives the certificate."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words = ["openssl", "req", "-x509", *curve, *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    written = (FOLDER / "nginx.conf").read_text()
    for old, new in {
        "/etc/letsencrypt/live/mlflow.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/mlflow.example.org/privkey.pem": str(key),
        "mlflow.example.org": "localhost",
        "listen 443": f"listen 127.0.0.1:{team.tls_port}",
        "127.0.0.1:5000": f"127.0.0.1:{team.port}",
    }.items():
        assert old in written
        written = written.replace(old, new)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"{user} pid {folder}/pid; error_log {folder}/log; events {{}} http {{ access_log off; {paths}\n{written}\n}}"
    )
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"])
    try:
        await_true(lambda: _listens(team.tls_port), process, folder / "log")
        yield certificate
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
