# SPDX-License-Identifier: BSD-3-Clause
"""Where things lie: the repository, and the one folder that everything made goes to."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Runs side by side each name a folder of their own, so that none builds under another's feet.
BUILD = Path(os.environ.get("DREDKIT_BUILD") or ROOT / "build").resolve()
