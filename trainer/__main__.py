"""`python -m trainer`."""

from trainer.cli import main
from trainer.cli.exit import exiting_at_once

with exiting_at_once():
    main()
