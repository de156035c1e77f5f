"""Ports of 127.0.0.1 that stay free until the test that asked for them uses them.

A port the kernel hands out and takes back may be given to anybody the moment after: to another
process that asks for one, or to any connection that leaves this machine. These lie below the range
connections leave from, and each is held by a UDP socket of the same number, which no TCP server
minds: whoever asks here, in whatever process, gets others.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from contextlib import ExitStack
from itertools import count, islice

FIRST, LAST = 12_000, 32_000
_HOST = "127.0.0.1"
# By then whoever took a port listens on it, or has gone.
_MOST_HELD = 64
_held: deque[int] = deque()
# Processes begin in different places, and none soon returns to a port it has just left.
_turns = count(os.getpid() * 31)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on, and nobody else will be given."""
    return free_ports(1)


def free_ports(number: int) -> int:
    """Return the first of ``number`` such ports in a row."""
    for turn in islice(_turns, LAST - FIRST):
        base = FIRST + turn * number % (LAST - FIRST - number)
        if _reserve(range(base, base + number)):
            return base
    raise AssertionError(f"no {number} ports in a row are free from {FIRST} to {LAST}")


def _reserve(ports: range) -> bool:
    """Hold all of ``ports``, or none; tell which."""
    with ExitStack() as stack:
        found = []
        for port in ports:
            held = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                held.bind((_HOST, port))
                with socket.socket() as probe:
                    probe.bind((_HOST, port))
            except OSError:
                return False
            found.append(held)
        _held.extend(one.detach() for one in found)
    while len(_held) > _MOST_HELD:
        os.close(_held.popleft())
    return True
