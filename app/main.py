"""The application: its parts, built and joined, started and stopped in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from starlette.types import ASGIApp

from app import error_handlers
from app.api import openapi
from app.api import router as api_router
from app.demo import define_demo
from app.deps import Services
from app.domain import RequestSummary
from app.guards import guarded
from app.handlers.registry import HandlerRegistry
from app.instance import InstanceLock
from app.services.addresses import AddressRules
from app.services.certificates import Certificates
from app.services.indexer import Indexer
from app.services.live import LiveFeed, Notice
from app.services.recorder import Recorder
from app.services.requests import RequestLog
from app.services.retention import Retention
from app.services.servers import ServerService
from app.services.space import shortage
from app.settings import Settings
from app.static_files import STATIC, StaticFiles
from app.store.database import FILE_NAME, Database
from app.store.day_files import DayFiles
from app.store.retention import RetentionTable
from app.store.servers import ServerTable
from app.web import router as web_router

log = logging.getLogger("app")

#: Seconds that the log has to be written at the end. With the servers' own 4.5 s and the open
#: pages' 1 s this stays under the 8 s after which a supervisor would kill us.
FLUSH_S = 2.0

#: Seconds for a block of the search index that is being built, or for a few rows that are being
#: deleted, which take some milliseconds.
INDEX_S = 0.2


class Sockpit:
    """Every part of one running instance. `close()` undoes what the constructor did."""

    def __init__(self, settings: Settings) -> None:
        """Raises: AppError or OSError when the data directory cannot be used."""
        self.settings = settings
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = InstanceLock(settings.data_dir)
        self._closing = threading.Lock()  # guards _closed
        self._closed = False
        self.database = Database(settings.data_dir / FILE_NAME)
        self.store = DayFiles(settings.data_dir)
        self._mark_lost()
        self.feed = LiveFeed()
        self.recorder = Recorder(self.store, self._publish, shortage=self._shortage)
        self.indexer = Indexer(self.store, self.recorder.stats)
        self.retention = Retention(RetentionTable(self.database), self.store)
        self.handlers = HandlerRegistry(settings.handlers_dir)
        table = ServerTable(self.database)
        self.certificates = Certificates(settings.data_dir / "tls", table.all)
        rules = AddressRules.from_settings(settings, settings.data_dir.resolve() / "sockets")
        self.servers = ServerService(
            table, self.handlers, rules, self.certificates, self.feed, self.recorder.submit
        )
        self.services = Services(
            settings=settings,
            servers=self.servers,
            requests=RequestLog(self.store, self.recorder.stats),
            retention=self.retention,
            handlers=self.handlers,
            certificates=self.certificates,
            feed=self.feed,
        )

    def open(self) -> None:
        """Record, and bring every server to what is wanted of it."""
        self.recorder.start()
        self.indexer.start()
        self.retention.start()
        if self.database.created and self.settings.demo:
            define_demo(self.servers, self.settings)
        self.servers.reconcile()

    def close(self) -> None:
        """Stop every server, write the log, close the files. What is wanted stays wanted.

        A second time it does nothing.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self.feed.close()
        self.servers.close()
        self.recorder.stop(FLUSH_S)
        self.indexer.stop(INDEX_S)
        self.retention.stop(INDEX_S)
        self.abandon()

    def abandon(self) -> None:
        """Close what the constructor opened, when `open()` was never called."""
        self.store.close()
        self.database.close()
        self._lock.release()

    def _mark_lost(self) -> None:
        lost = self.store.mark_lost()
        if lost:
            log.warning("%d requests were open when the last process ended; marked lost", lost)

    def _shortage(self) -> str | None:
        return shortage(self.settings.data_dir)

    def _publish(self, rows: Sequence[RequestSummary]) -> None:
        self.feed.publish(*(Notice("request", row.server, request=row) for row in rows))


def create_app(settings: Settings) -> ASGIApp:
    """The application over `settings.data_dir`, guarded. Its lifespan starts and stops it all.

    Raises: AppError or OSError when the data directory cannot be used.
    """
    return web_app(Sockpit(settings))


def web_app(sockpit: Sockpit) -> ASGIApp:
    """The panel and the API over `sockpit`, which the lifespan opens and closes."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(sockpit.open)
        try:
            yield
        finally:
            await to_thread.run_sync(sockpit.close)

    app = FastAPI(
        title="Sockpit",
        version="0.1.0",
        summary="Socket servers that answer, run from a browser",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = sockpit.services
    error_handlers.install(app)
    app.include_router(api_router)
    app.include_router(web_router)
    openapi.complete(app.openapi())
    app.mount("/static", StaticFiles(directory=STATIC))
    return guarded(app, sockpit.settings)
