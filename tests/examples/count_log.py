"""The independent count: straight from the CSV file, without Twofold."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any


def count_log(path: Path) -> dict[str, Any]:
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    return {
        "cases": len({row["case:concept:name"] for row in rows}),
        "steps": len(rows),
        "activity": Counter(row["concept:name"] for row in rows),
        "resource": Counter(row["org:resource"] for row in rows),
        "steps of department": Counter(row["case:department"] for row in rows),
        "cases of department": Counter({r["case:concept:name"]: r["case:department"] for r in rows}.values()),
        "closed cases": len({row["case:concept:name"] for row in rows if row["case:enddate"]}),
        "day": Counter(row["time:timestamp"][:10] for row in rows),
        "steps of case": Counter(row["case:concept:name"] for row in rows),
    }
