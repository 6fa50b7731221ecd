"""`python -m bwsresearch`, the same as the command `bwsresearch`."""

from bwsresearch.cli import main

if __name__ == "__main__":
    main()
