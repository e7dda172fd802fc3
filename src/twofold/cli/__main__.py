"""`python -m twofold.cli` is `twofold`."""

import sys

from twofold.cli import main

if __name__ == "__main__":
    sys.exit(main())
