-- Times are RFC 3339 texts of one width, so that their order is that of time. `told_status` is what the last `sync` has
-- told of a workflow.
CREATE TABLE workflows (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'interrupted', 'crashed')),
    task TEXT NOT NULL,
    repos TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    progress REAL,
    adapter TEXT NOT NULL,
    remote_id TEXT UNIQUE,
    tag TEXT,
    session_id TEXT,
    runner_pid INTEGER,
    runner_start_ticks INTEGER,
    runner_boot_id TEXT,
    runner_namespace TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    told_status TEXT
) STRICT;
CREATE INDEX workflows_by_time ON workflows (created_at);
CREATE INDEX workflows_open ON workflows (status) WHERE status IN ('pending', 'running');
CREATE TABLE jobs (
    workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    step TEXT NOT NULL,
    repository TEXT,
    status TEXT NOT NULL CHECK (status IN
        ('pending', 'running', 'completed', 'failed', 'timed_out', 'skipped', 'interrupted', 'crashed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    started_at TEXT,
    ended_at TEXT,
    log TEXT NOT NULL,
    PRIMARY KEY (workflow_id, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE errors (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    timestamp TEXT NOT NULL
) STRICT;
CREATE INDEX errors_by_time ON errors (timestamp);
CREATE INDEX errors_by_workflow ON errors (workflow_id);
