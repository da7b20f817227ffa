-- The words of sessions, so that a search looks at few of them. The writer adds to it behind its commits; what it has not come
-- to yet is looked at one by one, so that answers are exact (`sqlite/search.rs`). It says nothing that `sessions` does not say:
-- `maintenance rebuild-search` makes it anew, `verify` compares.

-- An entry is a word and a moment, milliseconds since 1970, in which a session that has the word began. So entries are
-- found from the newest to the oldest, and neighbours lie near each other, which is what makes them small.
CREATE VIRTUAL TABLE session_words USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = 'ascii');

-- Words that a session has no longer are taken out of the pages, not only marked.
INSERT INTO session_words (session_words, rank) VALUES ('secure-delete', 1);

-- Pieces are merged by the writer, a little with each slice. By itself FTS5 merges up to a megabyte within one commit (measured
-- at 200,000 sessions: 24 ms for one slice, and 6 ms this way).
INSERT INTO session_words (session_words, rank) VALUES ('automerge', 0), ('usermerge', 8), ('crisismerge', 64);

-- indexed: the last row of sessions, in the order in which they came, whose words are there.
CREATE TABLE search_state (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    indexed INTEGER NOT NULL
) STRICT;

INSERT INTO search_state (only, indexed) VALUES (1, 0);

-- Sessions whose error text changed since: error_message is the one whose words are there.
CREATE TABLE search_changed (
    session_id    TEXT PRIMARY KEY,
    error_message TEXT
) STRICT, WITHOUT ROWID;

-- Lists of what was lost: few rows of many, as of what is active.
CREATE INDEX sessions_lost ON sessions (start_time) WHERE status = 'lost';
