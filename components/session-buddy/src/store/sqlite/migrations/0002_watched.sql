-- Processes that the server watches or has watched, by an identity that it has checked itself, so that the next server on
-- this database finds them again: on the same boot it looks for them, after another boot of the same host they are gone.
-- What a start claims of its process stands in sessions and proves nothing. No part of the record; the ledger knows nothing
-- of it.

CREATE TABLE watched (
    session_id    TEXT    PRIMARY KEY,
    host_id       TEXT,
    boot_id       TEXT    NOT NULL,
    pid_namespace INTEGER NOT NULL,
    pid           INTEGER NOT NULL,
    start_ticks   INTEGER NOT NULL,
    pidfd_inode   INTEGER
) STRICT, WITHOUT ROWID;
