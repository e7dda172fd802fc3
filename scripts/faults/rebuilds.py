"""Kill -9 of rebuilding processes beside a node that writes, projects and answers, a folder a round.

python scripts/faults/rebuilds.py --rounds 100
"""

import rounds

if __name__ == "__main__":
    rounds.run("rebuilds", "tests.faults.rebuilding:one_rebuild", default=100, engines=["sqlite", "postgres"])
