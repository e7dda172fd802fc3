"""A PostgreSQL server of its own is stopped five times under load in a round (F10 in the catalogue).

python scripts/faults/stops.py --rounds 100
"""

import rounds

if __name__ == "__main__":
    rounds.run("stops", "tests.faults.stopping:some_stops", default=100)
