"""One write or sync of the history's log fails in each round, the first to the two hundredth (F9 in the catalogue).

python scripts/faults/broken_disk.py --rounds 600
"""

import rounds

if __name__ == "__main__":
    rounds.run("broken disk", "tests.faults.broken_disk:some_case", default=600)
