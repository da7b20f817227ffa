"""Asks the server, sqlite3 and DuckDB the same questions over the same rows: python analytics.py ADDRESS DATABASE FOLDER

Writes a JSON array: of each question how long each took (median of 5, ms) and what in the server's answer differs.
"""

import csv
import http.client
import json
import pathlib
import sqlite3
import statistics
import sys
import time

import duckdb

REPEATS = 5
ENOUGH_MS = 10_000
PERCENTILE_ERROR = 1 / 128
COLUMNS = (
    "component_name, username, status, start_time, duration_seconds, error_occurred, error_message, quality_score"
)

# What is asked of the server, the SQL that says the same in both dialects, and the keys of the rows in its order.
QUESTIONS = [
    (
        "duration",
        "metric=duration",
        "SELECT component_name, avg(duration_seconds) FROM sessions WHERE duration_seconds IS NOT NULL GROUP BY 1",
        ["component_name", "mean_seconds"],
    ),
    (
        "count by hour",
        "metric=count&period=hourly",
        "SELECT substr(start_time, 1, 13), count(*) FROM sessions GROUP BY 1",
        ["bucket", "sessions"],
    ),
    (
        "count by day",
        "metric=count&period=daily",
        "SELECT substr(start_time, 1, 10), count(*) FROM sessions GROUP BY 1",
        ["bucket", "sessions"],
    ),
    (
        "count by month",
        "metric=count&period=monthly",
        "SELECT substr(start_time, 1, 7), count(*) FROM sessions GROUP BY 1",
        ["bucket", "sessions"],
    ),
    (
        "count by day of one user",
        "metric=count&period=daily&user=user0042",
        "SELECT substr(start_time, 1, 10), count(*) FROM sessions WHERE username = 'user0042' GROUP BY 1",
        ["bucket", "sessions"],
    ),
    ("unique users", "metric=unique_users", "SELECT count(DISTINCT username) FROM sessions", ["users"]),
    (
        "unique users by day",
        "metric=unique_users&period=daily",
        "SELECT substr(start_time, 1, 10), count(DISTINCT username) FROM sessions GROUP BY 1",
        ["bucket", "users"],
    ),
    (
        "unique users by month",
        "metric=unique_users&period=monthly",
        "SELECT substr(start_time, 1, 7), count(DISTINCT username) FROM sessions GROUP BY 1",
        ["bucket", "users"],
    ),
    (
        "peak hours",
        "metric=peak_hours",
        "SELECT substr(start_time, 1, 13), count(*) FROM sessions GROUP BY 1",
        ["weekday", "hour", "sessions"],
    ),
    (
        "error rate",
        "metric=error_rate",
        "SELECT component_name, count(*), sum(error_occurred) FROM sessions GROUP BY 1",
        ["component_name", "sessions", "failed"],
    ),
    (
        "lost",
        "metric=lost",
        "SELECT component_name, count(*), sum(CASE WHEN status = 'lost' THEN 1 ELSE 0 END), "
        "sum(CASE WHEN status = 'active' THEN 1 ELSE 0 END) FROM sessions GROUP BY 1",
        ["component_name", "sessions", "lost", "active"],
    ),
    (
        "quality",
        "metric=quality",
        "SELECT component_name, avg(quality_score) FROM sessions WHERE quality_score IS NOT NULL GROUP BY 1",
        ["component_name", "score"],
    ),
]

# A zone whose days are no sums of UTC days: only how long it takes.
TIMED = [
    ("count by day, Asia/Kathmandu", "metric=count&period=daily&tz=Asia/Kathmandu"),
    ("unique users by day, Asia/Kathmandu", "metric=unique_users&period=daily&tz=Asia/Kathmandu"),
    ("unique users by week", "metric=unique_users&period=weekly"),
]


def main():
    address, database, folder = sys.argv[1:]
    server = Server(address)
    lite = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    duck = load(lite, pathlib.Path(folder))
    answered = []
    for question, query, sql, keys in QUESTIONS:
        server_ms, rows = server.timed(query)
        sqlite_ms, expected = timed(lambda: lite.execute(sql).fetchall())
        duckdb_ms, by_duck = timed(lambda: duck.execute(sql).fetchall())
        differs = differences(question, rows, expected, by_duck, keys)
        if question == "duration":
            differs = differs or percentiles(duck, rows)
        answered.append(
            {
                "question": question,
                "server_ms": server_ms,
                "sqlite_ms": sqlite_ms,
                "duckdb_ms": duckdb_ms,
                "differs": differs,
            }
        )
    for question, query in TIMED:
        server_ms, _ = server.timed(query)
        answered.append(
            {"question": question, "server_ms": server_ms, "sqlite_ms": None, "duckdb_ms": None, "differs": ""}
        )
    json.dump(answered, sys.stdout)


def load(lite, folder):
    """Gives DuckDB the rows that sqlite3 has."""
    file = folder / "sessions.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(name.strip() for name in COLUMNS.split(","))
        writer.writerows(lite.execute(f"SELECT {COLUMNS} FROM sessions"))
    duck = duckdb.connect(str(folder / "sessions.duckdb"))
    duck.execute(
        "CREATE TABLE sessions (component_name VARCHAR, username VARCHAR, status VARCHAR, start_time VARCHAR, "
        "duration_seconds BIGINT, error_occurred INTEGER, error_message VARCHAR, quality_score DOUBLE)"
    )
    duck.execute(f"INSERT INTO sessions SELECT * FROM read_csv('{file}', header = true, all_varchar = true)")
    file.unlink()
    return duck


def timed(ask):
    """Gives the median time in ms, and the answer. What takes long is asked less often."""
    took = []
    while len(took) < REPEATS and sum(took) < ENOUGH_MS:
        begin = time.perf_counter()
        answer = ask()
        took.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(took), answer


class Server:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port))

    def timed(self, query):
        # The server has closed it if the question before took the others long.
        self.connection.close()
        return timed(lambda: self.report(query))

    def report(self, query):
        self.connection.request("GET", f"/api/analytics?{query}")
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"{query}: {response.status} {body[:300]}")
        return json.loads(body)["rows"]


def differences(question, rows, expected, by_duck, keys):
    found = {}
    for row in rows:
        values = [row[key] for key in keys]
        if question == "peak hours":
            found[(values[0], values[1])] = [values[2]]
        elif keys[0] == "bucket" or keys[0] == "component_name":
            found[bucket(values[0], expected)] = values[1:]
        else:
            found[""] = values
    for name, other in (("sqlite3", expected), ("DuckDB", by_duck)):
        wanted = by_week(other) if question == "peak hours" else as_rows(other, keys)
        for key, values in wanted.items():
            got = found.get(key)
            if got is None or not all(close(one, two) for one, two in zip(got, values)):
                return f"{key}: {got}, by {name} {values}"
        # Buckets without a session are rows of the server alone.
        for key in found.keys() - wanted.keys():
            if any(found[key]):
                return f"{key}: {found[key]}, by {name} nothing"
    return ""


def as_rows(rows, keys):
    if len(keys) == 1:
        return {"": list(rows[0])}
    return {row[0]: list(row[1:]) for row in rows}


def bucket(name, expected):
    """Cuts the server's name of a bucket to the length of the other one's."""
    length = len(expected[0][0])
    return name if length not in (7, 10, 13) or name.isalpha() or not name[:4].isdigit() else name[:length]


def by_week(rows):
    hours = {}
    for hour, sessions in rows:
        weekday = time.strptime(hour[:10], "%Y-%m-%d").tm_wday + 1
        key = (weekday, int(hour[11:13]))
        hours[key] = [hours.get(key, [0])[0] + sessions]
    return hours


def close(one, other):
    """Sums and means of whole numbers are the same but for the last bits of a fraction; means are shown rounded."""
    return abs(float(one) - float(other)) <= 1e-6 * max(1.0, abs(float(other)))


def percentiles(duck, rows):
    exact = duck.execute(
        "SELECT component_name, median(duration_seconds), quantile_disc(duration_seconds, 0.95) FROM sessions "
        "WHERE duration_seconds IS NOT NULL GROUP BY 1"
    ).fetchall()
    exact = {name: values for name, *values in exact}
    for row in rows:
        for key, value in zip(("median_seconds", "p95_seconds"), exact[row["component_name"]]):
            if abs(row[key] - float(value)) > PERCENTILE_ERROR * float(value):
                return f"{row['component_name']}: {key} {row[key]}, exactly {value}"
    return ""


main()
