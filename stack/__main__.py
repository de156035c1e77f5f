"""``python -m stack up|down|status|env|psql|logs``; the settings come from the environment."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run, and turn every expected failure into one line on standard error."""
    try:
        # Imported here, so that Ctrl-C while modules load is no traceback either.
        from include.market.errors import CandlewickError
        from stack.cli import run

        try:
            sys.exit(run(sys.argv[1:]))
        except (CandlewickError, OSError) as error:
            sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what runs goes on; repeat make up, or end it by make down\n")
        sys.stderr.flush()
        # Threads may still wait for a part; nothing of theirs needs an orderly end.
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
