"""A thread that answers every HTTP request on one port with one page. Nothing of it can end or delay training.

Only what a reader of the page needs: no paths, no keep-alive, one connection at a time, each for two seconds at most.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

ANSWER_SECONDS = 2.0
PAUSE_SECONDS = 0.1
LONGEST_REQUEST = 8192


class PageServer:
    """Serves from the moment it is made until it is closed. Raises OSError if the port cannot be had."""

    def __init__(self, address: str, port: int, page: Callable[[], str]) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=16)
        self._page = page
        self._closed = False
        threading.Thread(target=self._serve, name="trainingjob-progress", daemon=True).start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        found: int = self._listener.getsockname()[1]
        return found

    def close(self) -> None:
        """Listen no more, also where a forked data loader still holds the socket: its readers would wait for ever."""
        self._closed = True
        with suppress(OSError):  # not connected, says macOS, and closes it all the same
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed, or the process has no descriptor left for a moment
                time.sleep(PAUSE_SECONDS)
                continue
            with connection, suppress(OSError):  # a reader that goes away early is its own business
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        request, until = b"", time.monotonic() + ANSWER_SECONDS
        while b"\r\n\r\n" not in request and len(request) < LONGEST_REQUEST:
            # What is left for all of it: a reader that trickles must not keep the operator waiting.
            connection.settimeout(max(0.001, until - time.monotonic()))
            received = connection.recv(LONGEST_REQUEST)
            if not received:
                return
            request += received
        body = self._page().encode()
        head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
