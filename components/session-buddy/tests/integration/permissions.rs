//! Who may do what: every kind of caller against every route and tool, every shape of token, and whose session is whose.

pub(crate) mod callers;
mod policy;
mod secrets;
mod shells;
mod tokens;

use serde_json::{Value, json};
use session_buddy::auth::routes::{ROUTES, TOOLS};

use self::callers::{Caller, Guarded, STATUS_OK};
use crate::harness::{Server, is_root, start, with};

/// Marks a route or tool that this server does not have.
const NOT_THERE: &str = "-";

/// Marks what a caller gets: `ok`, or the code with which it is refused.
fn of_route(caller: &Caller, method: &str, path: &str, id: &str) -> String {
    let path = path
        .replace("{id}", id)
        .replace("{name}", "SessionStartEvent")
        .replace("{metric}", "count");
    // Refused for its content, where it gets so far, so that nothing is done.
    let (headers, body): (&[(&str, &str)], &str) = match (method, path.as_str()) {
        ("POST", "/api/events") => (&[("Content-Type", "application/x-ndjson")], "nothing"),
        ("POST", "/mcp") => (&[], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        ("POST", _) => (&[], "[]"),
        ("GET", "/api/events") => (&[("Last-Event-ID", "nothing")], ""),
        _ => (&[], ""),
    };
    let answer = caller.send(method, &path, headers, body);
    if answer.status == 200 {
        return STATUS_OK.to_owned();
    }
    let code = answer.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    match answer.status {
        401 | 403 => code,
        _ if code == "NOT_FOUND" || code == "METHOD_NOT_ALLOWED" => NOT_THERE.to_owned(),
        _ => STATUS_OK.to_owned(),
    }
}

fn of_tool(caller: &Caller, tool: &str, id: &str) -> String {
    let arguments = match tool {
        "track_session_start" => start(1),
        // It is closed already, so that nothing is done.
        _ => json!({"session_id": id, "timestamp": "2026-02-06T11:30:00Z"}),
    };
    let Some(result) = caller.call(tool, arguments) else {
        return NOT_THERE.to_owned();
    };
    match result["structuredContent"]["error_code"].as_str() {
        Some(code) if code.starts_with("TOKEN") || code == "FORBIDDEN" => code.to_owned(),
        _ => STATUS_OK.to_owned(),
    }
}

/// Draws who gets what, a line for each route and tool.
fn matrix(callers: &[Caller], id: &str) -> String {
    let mut text = format!("{:<34}", "");
    for caller in callers {
        text.push_str(&format!(" {:<14}", caller.name()));
    }
    let routes = ROUTES
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"));
    let tools = TOOLS.iter().map(|(tool, _)| (*tool).to_owned());
    for line in routes.chain(tools) {
        text.push_str(&format!("\n{line:<34}"));
        for caller in callers {
            let got = match line.split_once(' ') {
                Some((method, path)) => of_route(caller, method, path, id),
                None => of_tool(caller, &line, id),
            };
            text.push_str(&format!(" {got:<14}"));
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn with_secrets_every_caller_gets_what_its_token_says() {
    let server = Guarded::start();
    let id = server.begin_by_hand(start(1));
    let callers = [
        server.nobody(),
        server.with("emit", json!({"scopes": ["emit"]})),
        server.with("read", json!({"scopes": ["read"]})),
        server.with(
            "bound",
            json!({"scopes": ["emit", "read"], "component": "mahavishnu"}),
        ),
        server.with(
            "bound admin",
            json!({"scopes": ["admin"], "component": "mahavishnu"}),
        ),
        server.with("admin", json!({"scopes": ["admin"]})),
        server.emitter("emitters'", json!({"scopes": ["admin"]})),
        server.owner(),
    ];
    insta::assert_snapshot!(matrix(&callers, &id), @r"
                                       nobody         emit           read           bound          bound admin    admin          emitters'      owner
    GET /health                        ok             ok             ok             ok             ok             ok             ok             ok
    GET /health/live                   ok             ok             ok             ok             ok             ok             ok             ok
    GET /health/ready                  ok             ok             ok             ok             ok             ok             ok             ok
    GET /metrics                       ok             ok             ok             ok             ok             ok             ok             ok
    POST /mcp                          ok             ok             ok             ok             ok             ok             ok             ok
    POST /api/events                   TOKEN_REQUIRED ok             FORBIDDEN      ok             ok             ok             ok             ok
    GET /api/events                    TOKEN_REQUIRED FORBIDDEN      ok             ok             ok             ok             ok             ok
    GET /api/sessions                  TOKEN_REQUIRED FORBIDDEN      ok             ok             ok             ok             ok             ok
    GET /api/sessions/{id}             TOKEN_REQUIRED FORBIDDEN      ok             ok             ok             ok             ok             ok
    POST /api/sessions/{id}/end        TOKEN_REQUIRED ok             FORBIDDEN      ok             ok             ok             ok             ok
    GET /api/analytics                 TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/analytics/sessions        TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/analytics/duration        TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/analytics/components      TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/analytics/errors          TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/analytics/active          TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/schemas                   ok             ok             ok             ok             ok             ok             ok             ok
    GET /api/schemas/{name}            ok             ok             ok             ok             ok             ok             ok             ok
    GET /api/openapi.json              ok             ok             ok             ok             ok             ok             ok             ok
    GET /api/export                    TOKEN_REQUIRED FORBIDDEN      ok             ok             ok             ok             ok             ok
    POST /api/import                   TOKEN_REQUIRED FORBIDDEN      FORBIDDEN      FORBIDDEN      FORBIDDEN      ok             FORBIDDEN      ok
    GET /api/violations                TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    GET /api/audit                     TOKEN_REQUIRED FORBIDDEN      FORBIDDEN      FORBIDDEN      FORBIDDEN      ok             FORBIDDEN      ok
    POST /api/tokens/revoke            TOKEN_REQUIRED FORBIDDEN      FORBIDDEN      FORBIDDEN      FORBIDDEN      ok             FORBIDDEN      ok
    track_session_start                TOKEN_REQUIRED ok             FORBIDDEN      ok             ok             ok             ok             ok
    track_session_end                  TOKEN_REQUIRED FORBIDDEN      FORBIDDEN      FORBIDDEN      ok             ok             FORBIDDEN      ok
    track_session_heartbeat            TOKEN_REQUIRED FORBIDDEN      FORBIDDEN      FORBIDDEN      ok             ok             FORBIDDEN      ok
    health_check                       ok             ok             ok             ok             ok             ok             ok             ok
    list_event_schemas                 ok             ok             ok             ok             ok             ok             ok             ok
    list_sessions                      TOKEN_REQUIRED FORBIDDEN      ok             ok             ok             ok             ok             ok
    get_session                        TOKEN_REQUIRED FORBIDDEN      ok             ok             ok             ok             ok             ok
    end_session                        TOKEN_REQUIRED FORBIDDEN      FORBIDDEN      FORBIDDEN      ok             ok             FORBIDDEN      ok
    session_analytics                  TOKEN_REQUIRED FORBIDDEN      ok             FORBIDDEN      FORBIDDEN      ok             ok             ok
    get_prometheus_metrics             ok             ok             ok             ok             ok             ok             ok             ok
    ");
}

#[test]
fn without_a_secret_the_kernel_says_who_may_read_and_close() {
    let server = Server::start();
    let id = server.begin(start(1));
    let mut callers = vec![
        Caller::tcp("own user", &server),
        Caller::unix("socket", &server),
    ];
    if is_root() {
        callers.push(Caller::stranger("other user", &server));
    } else {
        use std::io::Write;
        let said = "NOT TESTED: another user's requests, since only root can become another user";
        let _ = writeln!(std::io::stderr(), "{said}");
        return;
    }
    insta::assert_snapshot!(matrix(&callers, &id), @r"
                                       own user       socket         other user
    GET /health                        ok             ok             ok
    GET /health/live                   ok             ok             ok
    GET /health/ready                  ok             ok             ok
    GET /metrics                       ok             ok             ok
    POST /mcp                          ok             ok             ok
    POST /api/events                   ok             ok             ok
    GET /api/events                    ok             ok             FORBIDDEN
    GET /api/sessions                  ok             ok             FORBIDDEN
    GET /api/sessions/{id}             ok             ok             FORBIDDEN
    POST /api/sessions/{id}/end        ok             ok             FORBIDDEN
    GET /api/analytics                 ok             ok             FORBIDDEN
    GET /api/analytics/sessions        ok             ok             FORBIDDEN
    GET /api/analytics/duration        ok             ok             FORBIDDEN
    GET /api/analytics/components      ok             ok             FORBIDDEN
    GET /api/analytics/errors          ok             ok             FORBIDDEN
    GET /api/analytics/active          ok             ok             FORBIDDEN
    GET /api/schemas                   ok             ok             ok
    GET /api/schemas/{name}            ok             ok             ok
    GET /api/openapi.json              ok             ok             ok
    GET /api/export                    ok             ok             FORBIDDEN
    POST /api/import                   ok             ok             FORBIDDEN
    GET /api/violations                ok             ok             FORBIDDEN
    GET /api/audit                     ok             ok             FORBIDDEN
    POST /api/tokens/revoke            ok             ok             FORBIDDEN
    track_session_start                ok             ok             ok
    track_session_end                  ok             ok             ok
    track_session_heartbeat            ok             ok             ok
    health_check                       ok             ok             ok
    list_event_schemas                 ok             ok             ok
    list_sessions                      ok             ok             FORBIDDEN
    get_session                        ok             ok             FORBIDDEN
    end_session                        ok             ok             FORBIDDEN
    session_analytics                  ok             ok             FORBIDDEN
    get_prometheus_metrics             ok             ok             ok
    ");
}

#[test]
fn every_route_and_tool_of_the_server_is_in_the_table() {
    let server = Server::start();
    let listed = server.rpc("tools/list", json!({}));
    for tool in listed["result"]["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(TOOLS.iter().any(|(known, _)| *known == name), "{name}");
    }
}

#[test]
fn a_bound_token_reads_and_reports_its_component_alone() {
    let server = Guarded::start();
    let (own, other) = (
        start(1),
        with(start(2), json!({"component_name": "billing"})),
    );
    let (own, other) = (server.begin_by_hand(own), server.begin_by_hand(other));
    let bound = server.with(
        "bound",
        json!({"scopes": ["emit", "read"], "component": "mahavishnu"}),
    );
    let list = bound.send("GET", "/api/sessions", &[], "").json();
    let ids: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|session| &session["session_id"])
        .collect();
    assert_eq!(ids, [&json!(own)]);
    let mine = bound
        .send("GET", "/api/sessions?component=mahavishnu", &[], "")
        .json();
    assert_eq!(mine.as_array().unwrap().len(), 1);
    bound
        .send("GET", "/api/sessions?component=billing", &[], "")
        .problem(403, "FORBIDDEN");
    let get = |id: &str| bound.send("GET", &format!("/api/sessions/{id}"), &[], "");
    assert_eq!(get(&own).status, 200);
    get(&other).problem(404, "SESSION_NOT_FOUND");
    get("billing").problem(404, "SESSION_NOT_FOUND");
    let last_part = other.rsplit('-').next().unwrap();
    get(last_part).problem(404, "SESSION_NOT_FOUND");

    let begin = |event: Value| bound.call("track_session_start", event).unwrap();
    assert_eq!(begin(start(3))["structuredContent"]["status"], "tracked");
    let refused = begin(with(start(4), json!({"component_name": "billing"})));
    assert_eq!(refused["isError"], true);
    assert_eq!(refused["structuredContent"]["error_code"], "FORBIDDEN");

    let admin = server.with(
        "bound admin",
        json!({"scopes": ["admin"], "component": "mahavishnu"}),
    );
    let end = |id: &str| admin.send("POST", &format!("/api/sessions/{id}/end"), &[], "{}");
    assert_eq!(end(&own).status, 200);
    end(&other).problem(404, "SESSION_NOT_FOUND");
}

#[test]
fn an_emitter_renews_ends_and_closes_its_own_sessions_and_no_others() {
    let server = Guarded::start();
    let emit = json!({"scopes": ["emit"]});
    let les = server.with("les", with(emit.clone(), json!({"sub": "les"})));
    let ana = server.with("ana", with(emit.clone(), json!({"sub": "ana"})));
    let claims_les = server.emitter("claims les", with(emit, json!({"sub": "les"})));
    let begin = |caller: &Caller, number| {
        let result = caller.call("track_session_start", start(number)).unwrap();
        result["structuredContent"]["session_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let of_les = begin(&les, 1);
    let of_claimed = begin(&claims_les, 2);
    let of_socket = server.begin_by_hand(start(3));
    let said = |caller: &Caller, tool: &str, id: &str| {
        let event = json!({"session_id": id, "timestamp": "2026-02-06T11:30:00Z"});
        let result = caller.call(tool, event).unwrap()["structuredContent"].clone();
        match &result["error_code"] {
            Value::String(code) => code.clone(),
            _ => result["status"].as_str().unwrap().to_owned(),
        }
    };
    for tool in [
        "track_session_heartbeat",
        "track_session_end",
        "end_session",
    ] {
        for (caller, id) in [
            (&ana, &of_les),
            (&claims_les, &of_les),
            (&ana, &of_claimed),
            (&les, &of_socket),
        ] {
            assert_eq!(
                said(caller, tool, id),
                "FORBIDDEN",
                "{tool} {id} by {}",
                caller.name()
            );
        }
    }
    assert_eq!(said(&les, "track_session_heartbeat", &of_les), "alive");
    // What is proved is as good as what is only claimed.
    assert_eq!(said(&les, "track_session_heartbeat", &of_claimed), "alive");
    assert_eq!(said(&les, "track_session_end", &of_les), "ended");
    assert_eq!(said(&claims_les, "end_session", &of_claimed), "ended");
    let owner = server.owner();
    let record = |id: &str| {
        owner
            .send("GET", &format!("/api/sessions/{id}"), &[], "")
            .json()
    };
    assert_eq!(record(&of_les)["token_subject"], "les");
    assert_eq!(record(&of_claimed)["token_subject"], "claimed:les");
    assert_eq!(record(&of_claimed)["closed_by"], "claimed:les");
    assert_eq!(record(&of_socket)["status"], "active");

    // In a batch it is answered in its place.
    let line = json!({"session_id": of_socket, "timestamp": "2026-02-06T11:30:00Z", "event_type": "session_end"});
    let lines = format!("{line}\n{}", start(4));
    let ndjson = [("Content-Type", "application/x-ndjson")];
    let answers = ana.send("POST", "/api/events", &ndjson, &lines).json();
    assert_eq!(answers[0]["error_code"], "FORBIDDEN");
    assert_eq!(answers[1]["status"], "tracked");
}

#[test]
fn without_a_secret_another_user_ends_what_anybody_may_have_begun_and_nothing_else() {
    if !is_root() {
        return;
    }
    let server = Server::start();
    let owner = Caller::unix("socket", &server);
    let begin = |caller: &Caller, number| {
        let result = caller.call("track_session_start", start(number)).unwrap();
        result["structuredContent"]["session_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (of_socket, of_tcp) = (
        begin(&owner, 1),
        begin(&Caller::tcp("own user", &server), 2),
    );
    let end = |caller: &Caller, id: &str| {
        let event = json!({"session_id": id, "timestamp": "2026-02-06T11:30:00Z"});
        caller.call("track_session_end", event).unwrap()["structuredContent"].clone()
    };
    let stranger = Caller::stranger("other user", &server);
    assert_eq!(end(&stranger, &of_socket)["error_code"], "FORBIDDEN");
    assert_eq!(server.show(&of_socket)["status"], "active");
    // The kernel says that this connection is the same user's.
    assert_eq!(
        end(&Caller::tcp("own user", &server), &of_socket)["status"],
        "ended"
    );
    assert_eq!(end(&stranger, &of_tcp)["status"], "ended");
}

#[test]
fn acts_and_refusals_stand_in_the_ledger_with_who_did_them() {
    let server = Guarded::start();
    let id = server.begin_by_hand(start(1));
    let admin = server.with("admin", json!({"sub": "ana", "scopes": ["admin"]}));
    let reason = json!({"reason": "left open"}).to_string();
    let closed = admin.send("POST", &format!("/api/sessions/{id}/end"), &[], &reason);
    assert_eq!(closed.json()["closed_by"], "ana");
    let reader = server.with("reader", json!({"sub": "les", "scopes": ["read"]}));
    reader
        .send("GET", "/api/audit", &[], "")
        .problem(403, "FORBIDDEN");
    server
        .nobody()
        .send("GET", "/api/audit", &[], "")
        .problem(401, "TOKEN_REQUIRED");
    let revoke = json!({"token_id": "j-17", "reason": "laptop lost"}).to_string();
    assert_eq!(
        admin
            .send("POST", "/api/tokens/revoke", &[], &revoke)
            .status,
        200
    );

    let acts = admin.send("GET", "/api/audit", &[], "").json();
    let told = |act: &Value| {
        ["act", "by", "origin_transport", "reason"]
            .map(|key| act[key].as_str().unwrap_or("-").to_owned())
    };
    let told: Vec<_> = acts.as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        told,
        [
            ["token_revoked", "ana", "tcp", "laptop lost"],
            ["refused", "les", "tcp", "-"],
            ["session_closed", "ana", "tcp", "left open"],
        ]
    );
    assert_eq!(acts[1]["what"], "GET /api/audit");
    assert_eq!(acts[1]["code"], "FORBIDDEN");
    assert_eq!(acts[2]["session_id"], json!(id));
    let first = admin.send("GET", "/api/audit?limit=2", &[], "");
    let link = first.header("link").unwrap().to_owned();
    let next = link.trim_start_matches('<').split('>').next().unwrap();
    assert_eq!(admin.send("GET", next, &[], "").json(), json!([acts[2]]));

    let ran = server.cli("audit").with_code(0);
    assert!(
        ran.stdout.contains("token_revoked") && ran.stdout.contains("laptop lost"),
        "{}",
        ran.stdout
    );
    server.cli("verify").with_code(0);
    let home = server.stop();
    // Without a server too.
    let acts_now = home.cli("audit --format json").with_code(0).json();
    assert_eq!(acts_now, acts);
}

#[test]
fn refusals_that_are_recorded_cannot_fill_the_disk() {
    let server = Guarded::start();
    let reader = server.with("reader", json!({"scopes": ["read"]}));
    for _ in 0..30 {
        reader
            .send("GET", "/api/audit", &[], "")
            .problem(403, "FORBIDDEN");
    }
    let acts = server.owner().send("GET", "/api/audit", &[], "").json();
    // Ten a minute, and the minute may have changed once.
    assert!((10..=20).contains(&acts.as_array().unwrap().len()));
}
