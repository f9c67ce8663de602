CREATE TABLE requests (
    seq           INTEGER PRIMARY KEY,
    node_id       TEXT GENERATED ALWAYS AS ('0123') VIRTUAL,
    stream_id     TEXT GENERATED ALWAYS AS ('4567') VIRTUAL,
    server        TEXT NOT NULL,
    run_id        TEXT NOT NULL,
    request_id    INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    peer          TEXT NOT NULL,
    started_us    INTEGER NOT NULL,
    duration_us   INTEGER NOT NULL,
    outcome       TEXT NOT NULL,
    closed_by     TEXT,
    in_total      INTEGER NOT NULL,
    in_sha256     BLOB NOT NULL,
    out_total     INTEGER NOT NULL,
    out_sha256    BLOB NOT NULL,
    error         TEXT,
    in_prefix     BLOB NOT NULL,
    chunks        BLOB NOT NULL,
    out_prefix    BLOB NOT NULL
);
CREATE INDEX requests_by_server ON requests (server);
CREATE INDEX requests_open ON requests (seq) WHERE outcome = 'open';
PRAGMA user_version = 1;
INSERT INTO requests (
    seq, server, run_id, request_id, connection_id, peer, started_us, duration_us, outcome,
    closed_by, in_total, in_sha256, out_total, out_sha256, in_prefix, chunks, out_prefix
) VALUES (
    7, 'echo', 'run-0', 1, 1, '127.0.0.1:50000', 1773489600000000, 1000, 'ok',
    'client', 2, x'aa', 0, x'', x'6869', x'', x''
);
