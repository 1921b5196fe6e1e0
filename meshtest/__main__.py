"""`python -m meshtest`: the command `meshtest`."""

import sys

from meshtest.cli import main

if __name__ == "__main__":
    sys.exit(main())
