"""The rows that the log is measured with: the same ones at each run."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from sockcore.events import Bytes, Chunk, RequestFinished

BATCH = 1_000
DAYS = 10
DAY_US = 86_400_000_000
FIRST_US = 1_773_489_600_000_000  # 2026-03-14 12:00 UTC

_WORDS = (
    "temperature",
    "humidity",
    "battery",
    "door open",
    "ping",
    "温度",
    "湿度",
    "开门",
    "报警",
)


def events(rows: int) -> Iterator[RequestFinished]:
    """Lines of sensors, some of them wrong; the same ones at each run."""
    chance = random.Random(4)
    for number in range(rows):
        word = chance.choice(_WORDS)
        line = f"{word} {number} sensor-{number % 977}\r\n".encode()
        content = Bytes(line, len(line), hashlib.sha256(line).digest())
        day, place = divmod(number * DAYS, rows)
        yield RequestFinished(
            server=f"server-{number % 20}",
            run_id="run-1",
            request_id=number,
            connection_id=number,
            peer=f"10.0.{number % 7}.{number % 251}:{40_000 + number % 20_000}",
            started_us=FIRST_US + day * DAY_US + place * 4_000 // DAYS,
            duration_us=chance.randrange(50, 50_000),
            received=content,
            sent=content,
            chunks=(Chunk(True, 0, len(line)), Chunk(False, 90, len(line))),
            outcome="error" if number % 1_000 == 7 else "ok",
            closed_by="client",
            transport="tcp",
            address="10.0.0.1:9000",
        )


def batches(rows: int) -> Iterator[list[RequestFinished]]:
    batch = []
    for event in events(rows):
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
