"""How many requests this process has answered, for `/metrics`."""

import threading
from collections import Counter

_lock = threading.Lock()
_answers: Counter[tuple[str, int]] = Counter()
_seconds = 0.0

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})


def count(method: str | None, status: int, seconds: float) -> None:
    """One more answer."""
    global _seconds
    with _lock:
        _answers[method if method in METHODS else "other", status] += 1
        _seconds += seconds


def lines() -> list[str]:
    """The counters in Prometheus' text format."""
    with _lock:
        answers, seconds = dict(_answers), _seconds
    return [
        "# HELP lunatasks_http_requests_total Requests answered by this process.",
        "# TYPE lunatasks_http_requests_total counter",
        *(
            f'lunatasks_http_requests_total{{method="{method}",status="{status}"}} {number}'
            for (method, status), number in sorted(answers.items())
        ),
        "# HELP lunatasks_http_request_seconds_total Time spent on them.",
        "# TYPE lunatasks_http_request_seconds_total counter",
        f"lunatasks_http_request_seconds_total {seconds:.6f}",
    ]
