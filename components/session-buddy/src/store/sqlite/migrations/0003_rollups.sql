-- Sums over sessions, kept up to date by the transaction that changes a session, so that questions about all of them are
-- answered without looking at each. A session counts where it started, and in the chain that has its start. They say
-- nothing that `sessions` does not say: `maintenance rebuild-rollups` makes them anew, `verify` compares.

-- Short keys for what has few values. Rows stay, also when nothing refers to them.
CREATE TABLE series (
    series         INTEGER PRIMARY KEY,
    component_name TEXT    NOT NULL,
    session_type   TEXT    NOT NULL,
    UNIQUE (component_name, session_type)
) STRICT;

CREATE TABLE usernames (
    user     INTEGER PRIMARY KEY,
    username TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE error_messages (
    digest  BLOB PRIMARY KEY CHECK (length(digest) = 16),
    message TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Three grains of the same sums. Keys begin with time, so that a commit dirties the end of a table and little else.
-- quarter: quarters of an hour since 1970-01-01T00:00Z, day: days since then. quality_nanos: billionths of a point, of
-- what is closed. last_start: microseconds since 1970. lengths: how many of what is closed lie in each bucket of seconds.
-- quarters: how many began in each quarter of the day, which is also in which of them anybody did.
CREATE TABLE rollup_quarters (
    quarter       INTEGER NOT NULL,
    chain         INTEGER NOT NULL,
    series        INTEGER NOT NULL,
    sessions      INTEGER NOT NULL,
    active        INTEGER NOT NULL,
    lost          INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    seconds       INTEGER NOT NULL,
    quality_nanos INTEGER NOT NULL,
    last_start    INTEGER NOT NULL,
    lengths       BLOB    NOT NULL,
    quarters      BLOB    NOT NULL,
    PRIMARY KEY (quarter, chain, series)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_days (
    day           INTEGER NOT NULL,
    chain         INTEGER NOT NULL,
    series        INTEGER NOT NULL,
    sessions      INTEGER NOT NULL,
    active        INTEGER NOT NULL,
    lost          INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    seconds       INTEGER NOT NULL,
    quality_nanos INTEGER NOT NULL,
    last_start    INTEGER NOT NULL,
    lengths       BLOB    NOT NULL,
    quarters      BLOB    NOT NULL,
    PRIMARY KEY (day, chain, series)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_users (
    day           INTEGER NOT NULL,
    chain         INTEGER NOT NULL,
    series        INTEGER NOT NULL,
    user          INTEGER NOT NULL,
    sessions      INTEGER NOT NULL,
    active        INTEGER NOT NULL,
    lost          INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    seconds       INTEGER NOT NULL,
    quality_nanos INTEGER NOT NULL,
    last_start    INTEGER NOT NULL,
    lengths       BLOB    NOT NULL,
    quarters      BLOB    NOT NULL,
    PRIMARY KEY (day, chain, series, user)
) STRICT, WITHOUT ROWID;

-- month: months since the year 0. days: bit n is set if a session began on day n + 1 of it.
CREATE TABLE rollup_user_months (
    month  INTEGER NOT NULL,
    chain  INTEGER NOT NULL,
    series INTEGER NOT NULL,
    user   INTEGER NOT NULL,
    days   INTEGER NOT NULL,
    PRIMARY KEY (month, chain, series, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_errors (
    day      INTEGER NOT NULL,
    chain    INTEGER NOT NULL,
    series   INTEGER NOT NULL,
    digest   BLOB    NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day, chain, series, digest)
) STRICT, WITHOUT ROWID;

-- Error texts of a part of a day, or of one user.
CREATE INDEX sessions_with_error ON sessions (start_time) WHERE error_message IS NOT NULL;
