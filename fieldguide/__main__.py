"""`python -m fieldguide`: the same as the command `fieldguide`."""

from fieldguide.cli import main

if __name__ == "__main__":
    main()
