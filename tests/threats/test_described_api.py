"""The API does what its description says: asked at random by Schemathesis, as an admin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.serving import short_and_full
from tests.running import TOKEN, RunningApp


@pytest.mark.timeout(170)
@short_and_full("examples", 4, 150, full_s=1_200)
def test_nothing_fails_and_no_status_is_a_surprise(
    app_process: RunningApp, tmp_path: Path, examples: int
) -> None:
    """Not asked: the stream, which has no end."""
    app = app_process
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{app.url}/api/v1/openapi.json",
            *("--url", app.url),
            *("-H", f"Authorization: Bearer {TOKEN}"),
            *("--exclude-path", "/api/v1/events"),
            *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
            *("--max-examples", str(examples)),
            *("--seed", "1", "--workers", "2", "--no-color", "--request-timeout", "20"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert app.api.call("GET", "health").is_success
    assert "Traceback" not in app.log, app.log[-5000:]
