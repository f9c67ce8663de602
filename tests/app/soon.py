"""How long a promise of "within a second" may take here. Knows only seconds."""

from __future__ import annotations

import os

#: A machine that is busy with more than these tests may be given more: TEST_PATIENCE=5.
PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))
SOON_S = 1.0 * PATIENCE
