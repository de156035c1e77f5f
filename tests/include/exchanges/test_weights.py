from include.exchanges.weights import WeightBudget


class Clock:
    def __init__(self) -> None:
        self.now_s = 600.0
        self.slept_s: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


def budget(clock: Clock) -> WeightBudget:
    return WeightBudget(100, share=0.8, now=clock.now, sleep=clock.sleep)


def test_requests_inside_the_budget_do_not_wait() -> None:
    clock = Clock()
    weights = budget(clock)
    for _ in range(40):
        weights.wait(2)
    assert clock.slept_s == []


def test_the_request_that_would_exceed_it_waits_for_the_next_minute() -> None:
    clock = Clock()
    clock.now_s = 615.0
    weights = budget(clock)
    for _ in range(41):
        weights.wait(2)
    assert clock.slept_s == [45.0]


def test_the_venues_own_count_wins_because_other_processes_ask_too() -> None:
    clock = Clock()
    weights = budget(clock)
    weights.wait(2)
    weights.correct(79)
    weights.wait(2)
    assert clock.slept_s == [60.0]


def test_a_new_minute_starts_from_nothing() -> None:
    clock = Clock()
    weights = budget(clock)
    weights.wait(80)
    clock.now_s += 60
    weights.wait(80)
    assert clock.slept_s == []
