"""``python -m bridge`` is ``msgbridge``."""

import sys

from bridge.cli import main

sys.exit(main())
