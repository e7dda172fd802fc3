"""Six nodes send 30,000 commands in a round; positions must follow real time (F3 in the catalogue).

python scripts/faults/real_time.py --rounds 33 --engine postgres
"""

import rounds

if __name__ == "__main__":
    rounds.run("real time", "tests.faults.test_real_time:one_timing", default=33, engines=["sqlite", "postgres"])
