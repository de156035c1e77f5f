"""A process that asks a venue under the shared budget: ``python -m tests.support.governed_client``.

Takes one JSON argument and prints one JSON line: how many requests were answered, the ban that
ended it, if one did, and when it had told the others of a refusal.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import Any

from include.exchanges.http import HttpClient, HttpSettings
from include.market.errors import BannedError
from include.market.rate_limit import RateLimit
from tests.support.telling_governor import TellingGovernor


def ask_all(dsn: str, base_url: str, limit: dict[str, Any], weight: int, requests: int) -> Any:
    """Send ``requests`` requests one after the other, or as many as the venue lets us."""
    answered, ended = 0, {"banned": False, "is_new": False}
    with closing(TellingGovernor(dsn, RateLimit(**limit))) as governor:
        client = HttpClient(base_url, HttpSettings(), governor=governor)
        try:
            for _ in range(requests):
                client.get(f"/ask/{weight}", {}, weight=weight)
                answered += 1
        except BannedError as error:
            ended = {"banned": True, "is_new": error.is_new}
        finally:
            client.close()
        return {"answered": answered} | ended | governor.told()


if __name__ == "__main__":
    print(json.dumps(ask_all(**json.loads(sys.argv[1]))))
