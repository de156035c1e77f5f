"""``python -m stack up|down|status|env|psql|logs``; the settings come from the environment."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

INTERRUPTED = 130
INTERRUPTED_WORDS = "interrupted: what runs goes on; repeat make up, or end it by make down\n"


def main() -> None:
    """Run, and turn every expected failure into one line on standard error."""
    # Who was started in the background ignores Ctrl-C, and is still to end in good order; as is one
    # whose terminal is closed, unless nohup was to spare it that.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        # Imported here, so that Ctrl-C while modules load is no traceback either.
        from include.market.errors import CandlewickError
        from stack.cli import run

        try:
            sys.exit(run(sys.argv[1:]))
        except (CandlewickError, OSError) as error:
            sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        # The terminal may be what was closed.
        with contextlib.suppress(OSError):
            sys.stderr.write(INTERRUPTED_WORDS)
            sys.stderr.flush()
        # Threads may still wait for a part; nothing of theirs needs an orderly end.
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
