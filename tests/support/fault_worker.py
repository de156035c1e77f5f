"""One of several processes that backfill under a shared budget: ``-m tests.support.fault_worker``.

Takes one JSON argument, says ``ready``, waits for a line, works, and prints one JSON line: how many
rows came, what ended it, if something did, and when it had told the others of a refusal.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.http import HttpClient, HttpSettings
from include.jobs.backfill_history import backfill_instrument, plan_instruments
from include.jobs.notify_ban import notify_bans
from include.market.errors import BannedError, RateLimitedError
from include.market.rate_limit import RateLimit
from include.market.settings import Settings
from include.market.span import Span
from include.market.universe import Universe
from include.notify.outbox import OutboxSender
from include.warehouse.engine import connect
from tests.support.telling_governor import TellingGovernor


def work(task: dict[str, Any], governor: TellingGovernor) -> dict[str, Any]:
    """Backfill one instrument, as a task does; a ban is told to whoever listens."""
    folder = Path(task["folder"])
    settings = Settings(landing_url=str(folder / "landing"), page_limit=task["page_limit"])
    span = Span(task["start_ms"], task["end_ms"])
    (piece,) = plan_instruments(Universe({"binance_spot": (task["symbol"],)}), span)
    with (
        closing(connect(task["dsn"], application="test", autocommit=True)) as conn,
        closing(HttpClient(task["url"], HttpSettings(), governor=governor)) as client,
    ):
        source = BinanceSpot(client)
        try:
            done = backfill_instrument(conn, source, Path, settings, piece, run_id=task["run_id"])
            return {"rows": done["rows"], "ended": ""}
        except BannedError as error:
            told = notify_bans(conn, OutboxSender(folder / "outbox"))
            return {"rows": 0, "ended": "banned", "is_new": error.is_new, "told": told}
        except RateLimitedError as error:
            return {"rows": 0, "ended": "limited", "retry_after_s": error.retry_after_s}


def main(text: str) -> None:
    """Wait until all are ready, then work."""
    task = json.loads(text)
    limit = RateLimit(**task["limit"])
    options = {"longest_wait_s": task["longest_wait_s"]}
    with closing(TellingGovernor(task["dsn"], limit, **options)) as governor:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(work(task, governor) | governor.told()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
