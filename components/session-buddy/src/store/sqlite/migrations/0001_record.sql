-- The ledger, its erasable payloads, and the sessions folded from it.
--
-- The ledger holds no personal data and is never rewritten; what may have to be erased stands in ledger_payload, bound
-- to the ledger by a salted commitment. Each writer has a chain of its own, so that several servers need no lock.

CREATE TABLE chains (
    chain INTEGER PRIMARY KEY,
    uuid  BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16)
) STRICT;

-- A record's key is its chain and its number in one integer, because SQLite packs only such tables fully when rows are
-- appended: with a key of two columns pages stay two thirds full.
CREATE TABLE ledger (
    record             INTEGER PRIMARY KEY CHECK (record >= 1 << 40),
    chain              INTEGER GENERATED ALWAYS AS (record >> 40) VIRTUAL,
    seq                INTEGER GENERATED ALWAYS AS (record & 0xFFFFFFFFFF) VIRTUAL,
    format             INTEGER NOT NULL,
    kind               TEXT    NOT NULL CHECK (kind IN ('genesis', 'start', 'end', 'closed', 'revived', 'admin', 'erased',
                                                        'purged', 'checkpoint', 'imported')),
    session_id         TEXT,
    received_at        INTEGER NOT NULL,
    payload_commitment BLOB CHECK (length(payload_commitment) = 32),
    leaf_hash          BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    chain_hash         BLOB NOT NULL CHECK (length(chain_hash) = 32)
) STRICT;

-- A session's start and end are found through its row; only the few other records are found here.
CREATE INDEX ledger_corrections ON ledger (session_id) WHERE kind NOT IN ('genesis', 'start', 'end');

CREATE TABLE ledger_payload (
    record  INTEGER PRIMARY KEY REFERENCES ledger (record),
    chain   INTEGER GENERATED ALWAYS AS (record >> 40) VIRTUAL,
    seq     INTEGER GENERATED ALWAYS AS (record & 0xFFFFFFFFFF) VIRTUAL,
    salt    BLOB NOT NULL CHECK (length(salt) = 32),
    key_id  INTEGER,
    payload BLOB NOT NULL
) STRICT;

-- Times are RFC 3339 in UTC of one width, so that the order of the text is the order of time.
CREATE TABLE sessions (
    session_id        TEXT    NOT NULL UNIQUE,
    session_type      TEXT    NOT NULL,
    component_name    TEXT    NOT NULL,
    shell_type        TEXT    NOT NULL,
    status            TEXT    NOT NULL CHECK (status IN ('active', 'ended', 'lost')),
    username          TEXT    NOT NULL,
    hostname          TEXT    NOT NULL,
    pid               INTEGER NOT NULL,
    platform          TEXT    NOT NULL,
    python_version    TEXT    NOT NULL,
    working_directory TEXT    NOT NULL,
    start_time        TEXT    NOT NULL CHECK (length(start_time) = 27),
    end_time          TEXT    CHECK (length(end_time) = 27),
    duration_seconds  INTEGER CHECK (duration_seconds >= 0),
    end_known_by      TEXT    CHECK (end_known_by IN ('reported', 'process_gone', 'host_restarted', 'lease_expired',
                                                      'by_hand')),
    end_estimated     INTEGER NOT NULL CHECK (end_estimated IN (0, 1)),
    end_earliest      TEXT,
    end_latest        TEXT,
    closed_by         TEXT,
    exit_reason       TEXT,
    exit_code         INTEGER,
    command_count     INTEGER CHECK (command_count >= 0),
    error_count       INTEGER CHECK (error_count >= 0),
    error_occurred    INTEGER NOT NULL CHECK (error_occurred IN (0, 1)),
    error_message     TEXT,
    quality_score     REAL    CHECK (quality_score BETWEEN 0 AND 100),
    project           TEXT,
    reason            TEXT,
    parent_session_id TEXT,
    actor_kind        TEXT,
    actor_name        TEXT,
    login_name        TEXT,
    login_name_source TEXT,
    tty               TEXT,
    remote_address    TEXT,
    runtime           TEXT,
    user_home         TEXT,
    origin_transport  TEXT    NOT NULL,
    origin_address    TEXT,
    origin_uid        INTEGER,
    token_subject     TEXT,
    event_id          TEXT    NOT NULL,
    created_at        TEXT    NOT NULL CHECK (length(created_at) = 27),
    skew_seconds      REAL,
    last_seen         TEXT    NOT NULL CHECK (length(last_seen) = 27),
    gaps              TEXT    NOT NULL,
    metadata          TEXT    NOT NULL,
    end_metadata      TEXT    NOT NULL,
    host_id           TEXT,
    boot_id           TEXT,
    pid_namespace     INTEGER,
    start_ticks       INTEGER,
    pidfd_inode       INTEGER,
    heartbeat_interval_seconds INTEGER,
    lease_expires_at  TEXT,
    start_record      INTEGER NOT NULL REFERENCES ledger (record),
    end_record        INTEGER REFERENCES ledger (record),
    -- Room for what an end adds, given back by the first change: a row that grows on a full page splits it.
    room              BLOB,
    CHECK ((status = 'active') = (end_time IS NULL)),
    CHECK ((status = 'active') = (end_known_by IS NULL))
) STRICT;

-- Lists, newest first; sessions that began in the same microsecond are few, and sorted.
CREATE INDEX sessions_by_start ON sessions (start_time);
-- Lists of one component.
CREATE INDEX sessions_by_component ON sessions (component_name, start_time);
-- Lists of what is open: few rows of many.
CREATE INDEX sessions_active ON sessions (start_time) WHERE status = 'active';
