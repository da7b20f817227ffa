-- The same index in other words: of a list of more than two SQLite makes a table, for each record that is written.

DROP INDEX ledger_corrections;

CREATE INDEX ledger_corrections ON ledger (session_id) WHERE kind <> 'genesis' AND kind <> 'start' AND kind <> 'end';
