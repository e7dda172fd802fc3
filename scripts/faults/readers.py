"""Four processes append 40,000 events in a round, three follow (F2 in the catalogue).

python scripts/faults/readers.py --rounds 25
"""

import rounds

if __name__ == "__main__":
    rounds.run("readers", "tests.faults.test_processes:one_following", default=25, engines=["sqlite", "postgres"])
