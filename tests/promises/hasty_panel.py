"""A program: the app, its panel with other limits, which come as JSON. Run by a test."""

from __future__ import annotations

import json
import sys

from app.cli.serve import serve
from app.panel_door import PanelLimits

if __name__ == "__main__":
    serve(PanelLimits(**json.loads(sys.argv[1])))
