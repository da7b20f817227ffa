//! A stand-in for a Prefect server: it answers as Prefect 3 does, from a list of flow runs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use mahavishnu::{adapters::those_that_answer, prefect::Prefect};

use crate::{harness::User, shell::metadata};

/// Gives the adapters that a shell would list that has so long.
fn who_answers(url: &str, patience: Duration) -> Vec<String> {
    those_that_answer(Some(Prefect::new(url, None).unwrap()), patience)
}

/// More than any answer takes.
const LONG: Duration = Duration::from_mins(1);

/// What the stand-in was asked: method, path and token.
type Asked = Arc<Mutex<Vec<String>>>;

struct StandIn {
    url: String,
    runs: Arc<Mutex<Value>>,
    asked: Asked,
}

impl StandIn {
    fn new(runs: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let (runs, asked) = (Arc::new(Mutex::new(runs)), Asked::default());
        let (given, heard) = (Arc::clone(&runs), Arc::clone(&asked));
        // It ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut lines, mut length, mut token) = (Vec::new(), 0, String::new());
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let line = line.trim_end().to_owned();
                    if line.is_empty() {
                        break;
                    }
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length: ") {
                        length = value.parse().unwrap();
                    }
                    if lower.starts_with("authorization: ") {
                        token = line.clone();
                    }
                    lines.push(line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let Some(request) = lines.first() else {
                    continue;
                };
                let (status, answer) = match &**request {
                    "GET /api/health HTTP/1.1" => ("200 OK", "true".to_owned()),
                    "GET /api/admin/version HTTP/1.1" => ("200 OK", "\"3.4.1\"".to_owned()),
                    "POST /api/flow_runs/filter HTTP/1.1" => {
                        ("200 OK", given.lock().unwrap().to_string())
                    }
                    _ => ("404 Not Found", "{}".to_owned()),
                };
                heard.lock().unwrap().push(format!("{request} {token}"));
                let length = answer.len();
                write!(
                    reader.get_mut(),
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
                )
                .unwrap();
            }
        });
        Self { url, runs, asked }
    }
}

fn run(state: &str, message: &str) -> Value {
    json!([{
        "id": "0192f8a4-7b3c-7d10-9e55-2f6f0f5d1c11", "name": "quick-otter", "created": "2026-02-06T22:04:58.123456Z",
        "updated": "2026-02-06T22:05:10.000000Z", "state_type": state, "state_name": "x",
        "state": {"message": message}, "flow_id": "x", "tags": [],
    }])
}

#[test]
fn what_prefect_runs_is_listed_with_what_changes() {
    let stand_in = StandIn::new(run("RUNNING", ""));
    let user = User::new()
        .variable("PREFECT_API_URL", &stand_in.url)
        .variable("PREFECT_API_KEY", "pnu_key");
    let change = |before: Value, after: &str| json!([{"id": "prefect-0192f8a47b3c", "adapter": "prefect", "task": "quick-otter", "before": before, "after": after}]);
    assert_eq!(user.json(&["sync"]), change(Value::Null, "running"));
    assert_eq!(user.json(&["sync"]), json!([]));
    *stand_in.runs.lock().unwrap() = run("FAILED", "Flow run encountered an exception: boom");
    assert_eq!(user.json(&["sync"]), change(json!("running"), "failed"));
    assert_eq!(user.json(&["sync"]), json!([]));
    let errors = user.json(&["errors"]);
    assert_eq!(errors.as_array().unwrap().len(), 1);
    assert_eq!(
        errors[0]["message"],
        "quick-otter: Flow run encountered an exception: boom"
    );
    let listed = user.json(&["ps"]);
    assert_eq!(
        (&listed[0]["adapter"], &listed[0]["progress"]),
        (&json!("prefect"), &Value::Null)
    );
    let asked = stand_in.asked.lock().unwrap();
    assert_eq!(
        asked[0],
        "POST /api/flow_runs/filter HTTP/1.1 authorization: Bearer pnu_key"
    );
}

#[test]
fn an_adapter_is_listed_only_if_it_answers() {
    let stand_in = StandIn::new(json!([]));
    let user = User::new().variable("PREFECT_API_URL", &stand_in.url);
    let listed = user.json(&["adapters"]);
    assert_eq!(
        listed[1],
        json!({"name": "prefect", "version": "3.4.1", "place": stand_in.url})
    );

    assert_eq!(who_answers(&stand_in.url, LONG), ["local", "prefect"]);
    // What answers something else is none.
    assert_eq!(
        who_answers(&stand_in.url.replace("api", "other"), LONG),
        ["local"]
    );

    // Nobody listens there any more once the listener is dropped.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let user = User::new().variable("PREFECT_API_URL", format!("http://{free}/api"));
    let ran = user.run(&["adapters"]).with_code(0);
    assert!(!ran.output.contains("prefect"), "{}", ran.output);
    assert_eq!(who_answers(&format!("http://{free}/api"), LONG), ["local"]);
    assert!(
        ran.errors
            .contains("note: prefect is not listed: Prefect at http://127.0.0.1:"),
        "{}",
        ran.errors
    );
    let synced = user.run(&["sync"]).with_code(3);
    assert!(
        synced
            .errors
            .contains("does not answer: Connection refused"),
        "{}",
        synced.errors
    );
}

#[test]
fn a_server_that_says_nothing_delays_no_prompt() {
    // It takes connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let user = User::new().variable("PREFECT_API_URL", url);
    assert_eq!(metadata(&user)["adapters"], json!(["local"]));
    // Who asks for it is told that it takes a while, then that it is too long.
    let ran = user.run(&["adapters"]).with_code(0);
    assert!(
        ran.errors
            .starts_with("asking the adapters ...\nnote: prefect is not listed: "),
        "{}",
        ran.errors
    );
    assert!(!ran.output.contains("prefect"), "{}", ran.output);
}
