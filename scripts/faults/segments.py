"""Processes that share the segments of read models are killed, stopped and cut off (F14, F15, F21 in the catalogue).

python scripts/faults/segments.py --rounds 100
"""

import rounds

if __name__ == "__main__":
    rounds.run("segments", "tests.faults.segmenting:some_faults", default=100, engines=["sqlite", "postgres"])
