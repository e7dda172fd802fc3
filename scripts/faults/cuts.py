"""Connections to PostgreSQL go wrong at some message of an append, twenty in a round (F12 in the catalogue).

python scripts/faults/cuts.py --rounds 250
"""

import rounds

if __name__ == "__main__":
    rounds.run("cuts", "tests.faults.cutting:some_cuts", default=250, engines=["postgres"])
