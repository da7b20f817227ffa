-- Sums by user without a page for each start: a commit appends what it changes of the sums to a journal, which is added to
-- the tables now and then, and the sums of a day's users are packed. Error texts get short keys as users have, so that they
-- can be counted by user too. All of it is made anew from the sessions.

DROP TABLE rollup_users;
DROP TABLE rollup_user_months;
DROP TABLE rollup_errors;
DROP TABLE error_messages;

CREATE TABLE error_messages (
    error   INTEGER PRIMARY KEY,
    digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 16),
    message TEXT NOT NULL
) STRICT;

-- What a commit changes of the sums; what stands here is in no table yet.
CREATE TABLE rollup_journal (
    entry   INTEGER PRIMARY KEY,
    changes BLOB NOT NULL
) STRICT;

-- block: which 32 users, by their keys. members: those with a session on that day, by series, with their sums.
CREATE TABLE rollup_users (
    day     INTEGER NOT NULL,
    block   INTEGER NOT NULL,
    chain   INTEGER NOT NULL,
    members BLOB    NOT NULL,
    PRIMARY KEY (day, block, chain)
) STRICT, WITHOUT ROWID;

-- members: the users by series of whom a session began in that quarter.
CREATE TABLE rollup_presence (
    quarter INTEGER NOT NULL,
    chain   INTEGER NOT NULL,
    members BLOB    NOT NULL,
    PRIMARY KEY (quarter, chain)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_errors (
    day      INTEGER NOT NULL,
    chain    INTEGER NOT NULL,
    series   INTEGER NOT NULL,
    error    INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day, chain, series, error)
) STRICT, WITHOUT ROWID;
