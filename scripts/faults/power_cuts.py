"""Power cuts under load, 200 in a round (F8 in the catalogue).

    python scripts/faults/power_cuts.py --rounds 500

A round notes all that SQLite writes and syncs, then cuts the power at 200 points of it and checks what is left.
"""

import rounds

if __name__ == "__main__":
    rounds.run("power cuts", "tests.faults.power:cuts_in", default=500)
