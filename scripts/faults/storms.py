"""Four processes send to one boundary at once; none gets less than half of its share, and none gives up.

python scripts/faults/storms.py --rounds 20 --engine postgres
"""

import rounds

if __name__ == "__main__":
    rounds.run("storms", "tests.faults.test_fairness:one_storm", default=20, engines=["sqlite", "postgres"])
