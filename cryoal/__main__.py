"""``python -m cryoal`` is ``cryoal``."""

from cryoal.cli import main

main()
