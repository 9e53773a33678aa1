"""``python -m rlm_kernel``: the same as ``rlm-kernel``."""

import sys

from .cli import main

sys.exit(main())
