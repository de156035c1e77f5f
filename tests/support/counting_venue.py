"""A loopback venue that counts who asked when, slows everybody down once and then bans them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Plan:
    """Which request, counted from 1, is refused how; and for how long."""

    slow_down_at: int | None = None
    pause_s: int = 0
    ban_at: int | None = None
    ban_s: int = 0


@dataclass
class Book:
    """Every request: when it arrived (epoch seconds), its weight and the status it got."""

    plan: Plan
    base_url: str = ""
    hits: list[tuple[float, int, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, weight: int) -> int:
        """Count a request and return the status it gets."""
        with self.lock:
            number = len(self.hits) + 1
            status = 200
            if self.plan.ban_at is not None and number >= self.plan.ban_at:
                status = 418
            elif number == self.plan.slow_down_at:
                status = 429
            self.hits.append((time.time(), weight, status))
            return status

    def weights(self, window_s: int) -> Counter[int]:
        """Return the weight that arrived in each window."""
        found: Counter[int] = Counter()
        for at_s, weight, _ in self.hits:
            found[int(at_s // window_s)] += weight
        return found


@contextmanager
def counting_venue(plan: Plan) -> Iterator[Book]:
    """Serve until the block ends; ``/ask/<weight>`` costs that weight."""
    book = Book(plan)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = book.enter(int(self.path.rsplit("/", 1)[1]))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            if status != 200:
                wait_s = plan.pause_s if status == 429 else plan.ban_s
                self.send_header("Retry-After", str(wait_s))
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    book.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield book
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
