"""Six processes contend for one boundary; every round must be linearizable (F4 in the catalogue).

python scripts/faults/contention.py --rounds 100
"""

import rounds

if __name__ == "__main__":
    rounds.run(
        "contention", "tests.faults.test_linearizable:one_contention", default=100, engines=["sqlite", "postgres"]
    )
