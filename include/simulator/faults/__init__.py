"""Misbehaviour on command: lies about single answers and damage to them on the wire.

A *rule* (``rules.Rule``) switches a named fault of ``table.FAULTS`` on for some requests. What a
fault tells is wrong, the market behind it stays as it is; what changes the market itself is an
amendment. ``desk.FaultDesk`` stands between aiohttp and the endpoints::

    request -> ban? -> rules that fire -> clean answer -> rows -> bytes -> wire
                                       or an answer instead ------------> wire

``python -m include.simulator --list-faults`` prints the table. ``POST /sim/faults`` switches rules
on, ``GET /sim/hits`` tells what was asked meanwhile. The same seed, rules and sequence of requests
give the same misbehaviour.
"""
