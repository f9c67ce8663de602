"""The application: its parts, built and joined, started and stopped in order."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from app import error_handlers
from app.api import openapi
from app.api import router as api_router
from app.demo import define_demo
from app.deps import Services, admit
from app.domain import RequestSummary
from app.guards import guarded
from app.handlers.registry import HandlerRegistry
from app.instance import InstanceLock, RunMark
from app.log_facts import Gap
from app.private import keep_private
from app.routes import check_routes
from app.services.access import Access
from app.services.addresses import AddressRules
from app.services.audit import Audit
from app.services.ballast import Ballast
from app.services.certificates import Certificates
from app.services.deletions import Deletions
from app.services.exports import Exports
from app.services.indexer import Indexer
from app.services.live import LiveFeed, Notice
from app.services.passwords import Passwords
from app.services.recorder import Recorder
from app.services.requests import RequestLog
from app.services.retention import Retention
from app.services.servers import ServerService
from app.services.sessions import Sessions
from app.services.space import shortage
from app.services.tokens import Tokens
from app.services.users import ADMIN, Users
from app.services.watch import Clocks, Watch
from app.settings import Settings
from app.static_files import STATIC, StaticFiles
from app.store.audit import AuditTable
from app.store.database import FILE_NAME, Database
from app.store.day_files import DayFiles
from app.store.retention import RetentionTable
from app.store.servers import ServerTable
from app.store.tokens import TokenTable
from app.store.users import SessionTable, UserTable
from app.version import VERSION
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

    _closed = False

    def __init__(self, settings: Settings) -> None:
        """Raises: AppError or OSError when the data directory cannot be used."""
        self.settings = settings
        self._closing = threading.Lock()  # guards _closed
        self._take(settings.data_dir)
        self.feed = LiveFeed()
        self.recorder = Recorder(
            self.store, self._publish, shortage=self._shortage, news=self._log_changed
        )
        self._note_unclean_end()
        self._watch = Watch(self.recorder, self._ballast, Clocks())
        self.indexer = Indexer(self.store, self.recorder.stats)
        self.audit = Audit(AuditTable(self.database))
        note = self.audit.note
        self.retention = Retention(RetentionTable(self.database), self.store, note)
        self.deletions = Deletions(self.store, self.recorder.stats, self._log_changed, note)
        self.handlers = HandlerRegistry(settings.handlers_dir)
        table = ServerTable(self.database)
        self.certificates = Certificates(settings.data_dir / "tls", table.all, note)
        self.access = self._access(table)
        rules = AddressRules.from_settings(settings, settings.data_dir.resolve() / "sockets")
        self.servers = ServerService(
            table, self.handlers, rules, self.certificates, self.feed, self.recorder.submit, note
        )
        self.services = self._services()

    def _access(self, servers: ServerTable) -> Access:
        passwords = Passwords()
        table = UserTable(self.database)
        users = Users(table, passwords)
        if self.settings.password and not users.any():
            users.recover(ADMIN, self.settings.password)
        sessions = Sessions(table, SessionTable(self.database), passwords)
        names = lambda: (spec.name for spec in servers.all())  # noqa: E731
        tokens = Tokens(TokenTable(self.database), self.settings.token, names)
        return Access(users, sessions, tokens)

    def _services(self) -> Services:
        requests = RequestLog(self.store, self.recorder.stats, self.audit.note)
        return Services(
            settings=self.settings,
            servers=self.servers,
            requests=requests,
            retention=self.retention,
            deletions=self.deletions,
            exports=Exports(requests.bounds),
            handlers=self.handlers,
            certificates=self.certificates,
            feed=self.feed,
            access=self.access,
            audit=self.audit,
        )

    def _take(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = InstanceLock(data_dir)
        keep_private(data_dir)
        self._ballast = Ballast(data_dir)
        self._ballast.relieve()
        self._mark = RunMark(data_dir)
        self.database = Database(data_dir / FILE_NAME)
        self.store = DayFiles(data_dir)
        self._mark_lost()

    def open(self) -> None:
        """Record, and bring every server to what is wanted of it."""
        try:
            self._mark.make()
        except OSError as error:
            log.error("if this process dies, the log will not say so: %s", error)
        self.recorder.start()
        self._watch.start()
        self.indexer.start()
        self.retention.start()
        self.deletions.start()
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
        self._watch.stop(INDEX_S)
        written = self.recorder.stop(FLUSH_S)
        self.indexer.stop(INDEX_S)
        self.retention.stop(INDEX_S)
        self.deletions.stop(INDEX_S)
        self.store.close()
        if written:
            self._mark.remove()
        self._let_go()

    def abandon(self) -> None:
        """Close what the constructor opened, when `open()` was never called."""
        self.store.close()
        self._let_go()

    def _let_go(self) -> None:
        self.database.close()
        self._lock.release()

    def _mark_lost(self) -> None:
        try:
            lost = self.store.mark_lost()
        except (OSError, sqlite3.Error) as error:  # a full disk: the next start does it
            log.error("requests that died with the last process stay open: %s", error)
            return
        if lost:
            log.warning("%d requests were open when the last process ended; marked lost", lost)

    def _note_unclean_end(self) -> None:
        started_us = self._mark.left_us
        if started_us is None:
            return
        now_us = time.time_ns() // 1000
        last_us = max(started_us, self.store.stats().newest_us or 0)
        log.warning("the process before did not end cleanly; the log says since when")
        gap = Gap(reason="unclean", began_us=min(last_us, now_us), ended_us=now_us, missing=None)
        self.recorder.note(gap)

    def _shortage(self) -> str | None:
        return shortage(self.settings.data_dir)

    def _log_changed(self, gap: Gap | None = None) -> None:
        self.feed.publish(Notice("log", "", gap=gap))

    def _publish(self, rows: Sequence[RequestSummary]) -> None:
        if self.feed.watchers:
            self.feed.publish(*(Notice("request", row.server, request=row) for row in rows))


def create_app(settings: Settings) -> ASGIApp:
    """The application over `settings.data_dir`, guarded. Its lifespan starts and stops it all.

    Raises: AppError or OSError when the data directory cannot be used.
    """
    return web_app(Sockpit(settings))


def web_app(sockpit: Sockpit) -> ASGIApp:
    """The panel and the API over `sockpit`, which the lifespan opens and closes.

    Raises: TypeError where a route would ask nobody who may have it.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(sockpit.open)
        try:
            yield
        finally:
            await to_thread.run_sync(sockpit.close)

    app = FastAPI(
        title="Sockpit",
        version=VERSION,
        summary="Socket servers that answer, run from a browser",
        lifespan=lifespan,
        dependencies=[Depends(admit)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = sockpit.services
    error_handlers.install(app)
    app.include_router(api_router)
    app.include_router(web_router)
    openapi.complete(app.openapi())
    check_routes(app)
    app.mount("/static", StaticFiles(directory=STATIC))  # the one that is for everybody
    return guarded(app, sockpit.settings)
