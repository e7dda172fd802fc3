"""Stories of commands, faults, races and cancellations over one history, on a virtual clock (F6 in the catalogue).

    python scripts/faults/stories.py --rounds 50000 [--first SEED]

A seed repeats its story exactly.
"""

import rounds

if __name__ == "__main__":
    rounds.run("stories", "tests.faults.stories:live_through", default=50_000)
