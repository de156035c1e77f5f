"""One request on one kept-alive connection to one host, and nothing that could lead elsewhere.

Built on ``http.client``: it follows no redirect, reads no proxy, netrc or cookie, and lets us own
the socket. That is needed for the deadline: a server that sends one header byte a second never
trips a timeout per receive, so every receive here gets only the time the whole request has left.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import certifi

from include.market.errors import FinalError, InvalidInputError, SourceUnavailableError
from include.market.printable import printable

# Real candle pages shrink 5 to 10 times, a day without trades about 60 times; gzip can do 1030.
MOST_EXPANSION: Final = 200
_SMALL_BYTES: Final = 1024 * 1024
_PORTS: Final = {"http": 80, "https": 443}
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, unpacked; whole for certain when ``is_framed``, that is, when it told its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    is_framed: bool

    def header(self, name: str) -> str:
        """Return a header's value, empty when it was not sent."""
        return str(self.headers.get(name, ""))


class _Deadline(socket.socket):
    """A socket on which no operation outlasts ``ends_at`` (monotonic seconds)."""

    ends_at = float("inf")

    def sendall(self, *args: Any) -> None:
        self.settimeout(_left_s(self.ends_at))
        super().sendall(*args)

    def recv_into(self, *args: Any) -> int:
        self.settimeout(_left_s(self.ends_at))
        return super().recv_into(*args)


class _TlsDeadline(ssl.SSLSocket):
    """The same under TLS."""

    ends_at = float("inf")

    def sendall(self, *args: Any) -> None:
        self.settimeout(_left_s(self.ends_at))
        super().sendall(*args)

    def recv_into(self, *args: Any) -> int:
        self.settimeout(_left_s(self.ends_at))
        return super().recv_into(*args)


class _Connection(http.client.HTTPConnection):
    """Dials within the deadline of the request that needs it."""

    sock: _Deadline | _TlsDeadline | None
    ends_at = 0.0
    context: ssl.SSLContext | None = None

    def connect(self) -> None:
        sock = _dial(self.host, self.port, self.ends_at)
        try:
            self.sock = self._secured(sock)
        except BaseException:
            sock.close()
            raise

    def _secured(self, sock: _Deadline) -> _Deadline | _TlsDeadline:
        if self.context is None:
            return sock
        sock.settimeout(_left_s(self.ends_at))
        secured = self.context.wrap_socket(sock, server_hostname=self.host)
        assert isinstance(secured, _TlsDeadline)  # noqa: S101 - the context makes these
        return secured


class Wire:
    """Asks one host; not to be shared by threads."""

    def __init__(self, base_url: str) -> None:
        """Bind to the host of ``base_url``; no request can go anywhere else.

        Raises:
            InvalidInputError: not an http(s) base URL, or one with credentials or a query.
        """
        scheme, host, port, self._prefix = _split(base_url)
        self.base_url = base_url.rstrip("/")
        self._connection = _Connection(host, port)
        # Decides whether the port is named in the Host header.
        self._connection.default_port = _PORTS[scheme]
        if scheme == "https":
            self._connection.context = _tls()

    def ask(
        self, path: str, query: str, headers: Mapping[str, str], *, deadline_s: float, cap: int
    ) -> Reply:
        """GET ``path`` and return the whole answer, of at most ``cap`` bytes unpacked.

        Raises:
            SourceUnavailableError: not connected, cut, damaged, or not whole in ``deadline_s``.
            FinalError: the answer is larger than ``cap``, or a bomb.
        """
        target = f"{self._prefix}{path}?{query}" if query else self._prefix + path
        try:
            return self._exchange(target, headers, time.monotonic() + deadline_s, cap)
        except TimeoutError:
            self.close()
            raise SourceUnavailableError(
                f"{self.base_url}{path} gave no whole answer in {deadline_s:g} s; "
                "is the network up?"
            ) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            self.close()
            # The exception's own text may repeat what the other side sent.
            raise SourceUnavailableError(
                f"{self.base_url}{path} did not answer properly ({type(error).__name__}); "
                "is the address right and the network up?"
            ) from None
        except BaseException:
            # Half an answer may still be on its way: the next request must not read it.
            self.close()
            raise

    def close(self) -> None:
        """Give the socket back; the next request dials anew."""
        self._connection.close()

    def _exchange(self, target: str, headers: Mapping[str, str], ends_at: float, cap: int) -> Reply:
        connection = self._connection
        if connection.sock is not None and _is_readable(connection.sock):
            # Nothing was asked, so what arrived is the other side's goodbye.
            connection.close()
        connection.ends_at = ends_at
        if connection.sock is None:
            connection.connect()
        assert connection.sock is not None  # noqa: S101 - connected above
        connection.sock.ends_at = ends_at
        connection.request("GET", target, headers=dict(headers))
        # Closed whatever happens: a connection that ends with its answer leaves the socket to it.
        with connection.getresponse() as response:
            if response.status != 200:
                cap = max(cap, _SMALL_BYTES)
            is_framed = response.length is not None or bool(response.chunked)
            encoding = str(response.headers.get("content-encoding", "identity")).lower()
            body = _unpack(_read(response, cap), encoding, cap)
            return Reply(response.status, response.headers, body, is_framed)


def _split(base_url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    has_more = parts.username is not None or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not host or has_more or printable(base_url) != base_url:
        # The address itself is not repeated: it may hold a password.
        raise InvalidInputError(
            "base URL must be http(s)://host[:port][/path] without credentials or query, was one "
            f"with host {printable(host or '')!r}; correct the Connection"
        )
    return parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/")


def _read(response: http.client.HTTPResponse, cap: int) -> bytes:
    if response.length is not None and response.length > cap:
        _refuse_size(f"announced {response.length}", cap)
    body = response.read(cap + 1)
    if len(body) > cap:
        _refuse_size("kept sending", cap)
    if response.length:
        # http.client returns what came before the cut without a word.
        raise http.client.IncompleteRead(b"", response.length)
    return body


def _unpack(packed: bytes, encoding: str, cap: int) -> bytes:
    if encoding == "identity" or not packed:
        return packed
    if encoding != "gzip":
        raise SourceUnavailableError(
            f"answer is packed as {printable(encoding)!r} although only gzip was offered"
        )
    most = min(cap, max(_SMALL_BYTES, MOST_EXPANSION * len(packed)))
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(packed, most + 1)
    except zlib.error:
        raise SourceUnavailableError("answer is not sound gzip") from None
    if len(body) > most:
        _refuse_size(f"unpacked {len(packed)} bytes to over {most}", cap)
    if not unpacker.eof or unpacker.unused_data:
        raise SourceUnavailableError("answer is gzip cut short, or with bytes after its end")
    return body


def _refuse_size(what: str, cap: int) -> NoReturn:
    raise FinalError(f"the venue {what} bytes, expected at most {cap}; ask for less at once")


def _dial(host: str, port: int, ends_at: float) -> _Deadline:
    """Connect to the first address that answers; looking the name up has the resolver's limit."""
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = _Deadline(family, kind, protocol)
        try:
            sock.settimeout(min(10.0, _left_s(ends_at)))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _left_s(ends_at: float) -> float:
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Slim images have no certificates of their own.
    context.load_verify_locations(certifi.where())
    context.sslsocket_class = _TlsDeadline
    return context
