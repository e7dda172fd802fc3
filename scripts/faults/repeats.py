"""Three processes with three threads each send the same commands; each has one effect, and all get its receipt.

python scripts/faults/repeats.py --rounds 100
"""

import rounds

if __name__ == "__main__":
    rounds.run("repeats", "tests.faults.test_repeats:one_storm", default=100, engines=["sqlite", "postgres"])
