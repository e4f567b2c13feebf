"""`make accuracy` on a handful of rows: every part of it runs, and the page says what was found."""

from benchmarks.accuracy.__main__ import measure, without_objects
from benchmarks.accuracy.page import page, promise_table
from tests.calibration.conftest import ROWS


def test_a_small_folder_gives_promises_and_a_page(folder):
    loads = [(clients, prompt) for clients in (1, 2, 4, 8, 16) for prompt in (200, 2000)]
    rows = [
        ROWS["silicon"]
        | {"case_id": f"sil-{clients}-{prompt}", "concurrency": clients, "isl_tokens": prompt}
        | {"osl_tokens": 20, "n_requests": 4 * clients, "tpot_ms": 9.0 + clients, "ttft_ms": 100.0}
        for clients, prompt in loads
    ]
    figures = measure(folder.table("cases.csv", rows).path, workers=1)
    validated = without_objects(figures)["validated"]
    assert validated["coverage"]["simulated"] == len(rows)
    assert len(figures["users"]) == 1 and figures["users"][0]["others"] == len(rows) - 3
    told = page(figures)
    for title in ("# Accuracy", "## Left out", "## A user calibrates", "## Coefficients"):
        assert f"{title}\n" in told
    assert "users: largest growth" in promise_table(figures["promises"])
