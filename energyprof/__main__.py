"""``python -m energyprof``."""

import sys

from energyprof.cli import main

if __name__ == "__main__":
    sys.exit(main())
