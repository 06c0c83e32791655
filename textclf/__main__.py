"""``python -m textclf``: the command line, for when the script ``textclf`` is not on the path."""

import sys

from textclf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
