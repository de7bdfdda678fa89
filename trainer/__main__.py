"""`python -m trainer`."""

from trainer.cli import main
from trainer.cli.exit import leaving_at_once

with leaving_at_once():
    main()
