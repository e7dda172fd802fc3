"""Sixteen processes append 16,000 events in a round, three follow: nobody skips (F2 in the catalogue).

python scripts/faults/skips.py --seconds 60 --engine postgres
"""

import rounds

if __name__ == "__main__":
    rounds.run("skips", "tests.faults.test_processes:one_crowd", default=10, engines=["postgres", "sqlite"])
