"""Kill -9 of two processes under load, a folder a round (F7 in the catalogue).

python scripts/faults/kills.py --rounds 1000
"""

import rounds

if __name__ == "__main__":
    rounds.run("kills", "tests.faults.killing:one_kill", default=1000, engines=["sqlite", "postgres"])
