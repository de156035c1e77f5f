from types import SimpleNamespace

from include.airflow_bridge.stage import RETRY_BY_ERROR, run_key
from include.market.errors import RateLimitedError, SourceUnavailableError, UnknownInstrumentError


def test_a_cleared_run_is_new_work_and_a_retry_is_not() -> None:
    fresh = SimpleNamespace(run_id="backfill__1", clear_number=0)
    cleared = SimpleNamespace(run_id="backfill__1", clear_number=1)
    assert run_key(fresh) == "backfill__1"
    assert run_key(cleared) != run_key(fresh)


def test_final_errors_fail_at_once_and_others_keep_their_retries() -> None:
    def action(error: Exception) -> str:
        return str(RETRY_BY_ERROR.evaluate(error, try_number=1, max_tries=4).action.value)

    assert action(UnknownInstrumentError("NOPE")) == "fail"
    assert action(RateLimitedError("slow down")) == "retry"
    assert action(SourceUnavailableError("gone")) == "default"
