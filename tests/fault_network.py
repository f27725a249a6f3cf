"""A line between a client and a server that is slow, cuts connections in the middle of an answer, or refuses them."""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from team_server import free_port


@dataclass
class Line:
    """A TCP proxy on this machine; what is set on it holds from the next piece of data on."""

    target: int
    rng: random.Random
    delay: float = 0.0
    """Seconds at most that a piece of an answer is held back."""
    cut: float = 0.0
    """Share of the answers' pieces of which half is passed on before both sides lose the connection."""
    unanswered: bytes = b""
    """Of every other request that holds this the answer is lost, with the connection; it has been carried out."""
    closed: bool = False
    """No connection is accepted."""
    port: int = field(default_factory=free_port)
    cuts: int = 0
    """Connections lost so far."""
    asked: int = 0
    """Requests so far that hold what is unanswered."""

    def __enter__(self) -> Line:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.closed:
                self._drop(near)
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            lost = threading.Event()
            for pair in ((near, far, False, lost), (far, near, True, lost)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, answers: bool, lost: threading.Event) -> None:
        try:
            while piece := source.recv(65536):
                if not answers and self.unanswered and self.unanswered in piece:
                    self.asked += 1
                    if self.asked % 2:
                        lost.set()
                elif answers and lost.is_set():
                    self.cuts += 1
                    break
                if answers and self.delay:
                    time.sleep(self.rng.uniform(0, self.delay))
                if self.closed or (answers and self.cut and self.rng.random() < self.cut):
                    sink.sendall(piece[: len(piece) // 2])
                    self.cuts += 1
                    break
                sink.sendall(piece)
        except OSError:
            pass
        for one in (source, sink):
            self._drop(one)

    @staticmethod
    def _drop(connection: socket.socket) -> None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()
