"""The verbs of ``python -m stack`` and what each one calls."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from stack import commands
from stack.chain import run_under
from stack.down import down
from stack.layout import Layout
from stack.settings import DEFAULTS, asked_settings, parse_settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stack",
        description="Run Candlewick on this machine.",
        epilog="Settings: " + ", ".join(f"{name}={value}" for name, value in DEFAULTS.items()),
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="start everything, run the main job, print a summary")
    verbs.add_parser("down", help="stop everything; the data stay")
    verbs.add_parser("status", help="show the parts; exit code 0 when all are healthy")
    verbs.add_parser("env", help="print shell exports for tools")
    verbs.add_parser("audit", help="check everything stored; exit code 1 when something is wrong")
    for verb, text in (("psql", "open the warehouse"), ("logs", "show the last log lines")):
        verbs.add_parser(verb, help=text, add_help=False)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` say; return the exit code.

    Raises:
        CandlewickError: in one line, why it cannot be done.
    """
    # psql and logs take whatever follows, options included; argparse would claim those.
    own, rest = (1, arguments[1:]) if arguments[:1] in (["psql"], ["logs"]) else (None, [])
    parsed = _parser().parse_args(arguments[:own])
    if parsed.verb == "up":
        from stack.up import asked_timeframes, up

        settings, asked = parse_settings(os.environ), asked_settings(os.environ)
        run_under(asked_timeframes(settings, asked))
        up(settings, asked, os.environ)
        return 0
    # Only where the state lies matters here; a wrong DAYS must not keep anybody from make down.
    layout = Layout(parse_settings({"STATE": os.environ.get("STATE", "")}).state)
    if parsed.verb == "down":
        down(layout)
    elif parsed.verb == "status":
        return commands.status(layout)
    elif parsed.verb == "audit":
        from stack.audit import audit

        return audit(layout)
    elif parsed.verb == "env":
        sys.stdout.write("\n".join(commands.env_lines(layout)) + "\n")
    elif parsed.verb == "psql":
        commands.psql(layout, rest, os.environ)
    else:
        commands.logs(layout, rest)
    return 0
