"""``python -m rlm_kernel.cli``: the same as ``rlm-kernel``."""

import sys

from . import main

sys.exit(main())
