//! Whatever is refused is refused alike: as a problem with a code, and as the document of the API says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Headers, Server, request, start},
    permissions::callers::{Caller, Guarded},
};

const JSON: &[(&str, &str)] = &[];
const NDJSON: &[(&str, &str)] = &[("Content-Type", "application/x-ndjson")];

/// The document that the server gives of itself.
struct Document(Value);

/// A route of the document, with a path that leads there.
struct Route {
    method: String,
    template: String,
    path: String,
    operation: Value,
}

impl Document {
    fn of(server: &Server) -> Self {
        Self(server.get("/api/openapi.json").json())
    }

    fn routes(&self) -> Vec<Route> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let routes = paths.flat_map(|(template, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(|(method, operation)| Route {
                method: method.to_uppercase(),
                template: template.clone(),
                path: template
                    .replace("{id}", "mahavishnu")
                    .replace("{name}", "UserInfo"),
                operation: operation.clone(),
            })
        });
        routes.collect()
    }

    fn route(&self, method: &str, template: &str) -> Route {
        let is_it = |route: &Route| route.method == method && route.template == template;
        let found = self.routes().into_iter().find(is_it);
        found.unwrap_or_else(|| panic!("{method} {template} is not in the document"))
    }
}

impl Route {
    fn media_type(&self) -> Option<&str> {
        let content = self.operation["requestBody"]["content"].as_object()?;
        content.keys().next().map(String::as_str)
    }

    /// A request that could be done, but for what a test makes wrong with it.
    fn send(&self, caller: &Caller<'_>, query: &str, headers: &Headers<'_>, body: &str) -> Answer {
        let mut headers = headers.to_vec();
        if let Some(media_type) = self.media_type()
            && headers.iter().all(|(name, _)| *name != "Content-Type")
        {
            headers.push(("Content-Type", media_type));
        }
        caller.send(
            &self.method,
            &format!("{}{query}", self.path),
            &headers,
            body,
        )
    }

    /// Checks that a refusal is one that the document tells of.
    #[track_caller]
    fn is_refused(&self, answer: &Answer, status: u16, code: &str) {
        let (method, template) = (&self.method, &self.template);
        answer.problem(status, code);
        let told = &self.operation["responses"][status.to_string()];
        let told = &told["content"]["application/problem+json"]["schema"]["properties"]["code"];
        let told = told["enum"].as_array();
        assert!(
            told.is_some_and(|codes| codes.contains(&json!(code))),
            "{method} {template} answers {status} {code}, of which the document tells nothing"
        );
    }
}

#[test]
fn what_is_wrong_with_any_request_is_a_problem_on_every_route() {
    let server = Server::start();
    let caller = Caller::tcp("own user", &server);
    let routes = Document::of(&server).routes();
    assert!(routes.len() > 15, "{}", routes.len());
    for route in &routes {
        let body = if route.media_type().is_some() {
            "{}"
        } else {
            ""
        };
        let with = |query: &str, headers: &Headers<'_>| route.send(&caller, query, headers, body);
        route.is_refused(&with("?token=x", JSON), 400, "INVALID_PARAMETER");
        route.is_refused(&with("?access_token=x", JSON), 400, "INVALID_PARAMETER");
        route.is_refused(&with("", &[("Host", "evil.example")]), 403, "HOST_REFUSED");
        let origin = [("Origin", "http://evil.example")];
        route.is_refused(&with("", &origin), 403, "ORIGIN_REFUSED");
    }
}

#[test]
fn what_is_wrong_with_any_body_is_a_problem_on_every_route_that_takes_one() {
    let server = Server::start();
    let caller = Caller::tcp("own user", &server);
    let routes = Document::of(&server).routes();
    let taking: Vec<_> = routes
        .iter()
        .filter(|route| route.media_type().is_some())
        .collect();
    assert!(taking.len() >= 4, "{}", taking.len());
    let large = " ".repeat(1024 * 1024 + 1);
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for route in taking {
        let media_type = route.media_type().unwrap();
        let send = |headers: &Headers<'_>, body: &str| route.send(&caller, "", headers, body);
        for headers in [
            &[("Content-Type", "text/plain")][..],
            &[("Content-Type", "")],
            &[("Content-Encoding", "gzip")],
        ] {
            route.is_refused(&send(headers, "{}"), 415, "UNSUPPORTED_MEDIA_TYPE");
        }
        // A file of sessions may be larger; its lines have a bound.
        if route.path != "/api/import" {
            route.is_refused(&send(JSON, &large), 413, "TOO_LARGE");
        }
        if media_type == "application/json" {
            route.is_refused(&send(JSON, &deep), 400, "INVALID_PARAMETER");
        }
        if media_type == "application/json" && route.path != "/mcp" {
            for body in ["", "{", "{}}", "[]", "null", "\u{1}"] {
                route.is_refused(&send(JSON, body), 400, "INVALID_PARAMETER");
            }
        }
    }
}

#[test]
fn a_method_that_a_path_does_not_take_is_named_with_those_that_it_does() {
    let server = Server::start();
    let routes = Document::of(&server).routes();
    let paths: BTreeSet<_> = routes
        .iter()
        .map(|route| (&route.path, &route.template))
        .collect();
    for (path, template) in paths {
        let known = routes.iter().filter(|route| &route.template == template);
        let known: Vec<_> = known.map(|route| route.method.as_str()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] {
            if known.contains(&method) {
                continue;
            }
            let answer = server.send(method, path, NDJSON, "");
            answer.problem(405, "METHOD_NOT_ALLOWED");
            let allowed = answer.header("allow").unwrap_or_default();
            for known in &known {
                assert!(allowed.contains(known), "{method} {path}: {allowed}");
            }
        }
    }
}

#[test]
fn a_path_that_is_not_there_is_a_problem_whatever_is_asked_there() {
    let server = Server::start();
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/sessions/",
        "/API/sessions",
        "/api/schemas/",
        "/api/%00",
        "/api/..%2fhealth",
    ] {
        for (method, body) in [("GET", ""), ("POST", "{}"), ("DELETE", ""), ("OPTIONS", "")] {
            server
                .send(method, path, JSON, body)
                .problem(404, "NOT_FOUND");
        }
    }
    let head = server.send("HEAD", "/nowhere", JSON, "");
    assert_eq!(
        head.header("content-type"),
        Some("application/problem+json")
    );
}

#[test]
fn whoever_lacks_a_right_is_told_so_on_every_route_that_needs_one() {
    let server = Guarded::start();
    let document = Document::of(&server);
    let (nobody, reader) = (
        server.nobody(),
        server.with("read", json!({"scopes": ["read"]})),
    );
    let garbage = server.bearing("garbage", "no.such.token".to_owned());
    let expired = server.with("expired", json!({"exp": 1_000_000_000}));
    for route in document.routes() {
        // Whoever scrapes from this machine needs none.
        let needs_token = route.operation["security"] != json!([]) && route.path != "/metrics";
        // Bad tokens are refused where none is needed, too.
        route.is_refused(&route.send(&garbage, "", JSON, "{}"), 401, "TOKEN_INVALID");
        let late = route.send(&expired, "", JSON, "{}");
        route.is_refused(&late, 401, "TOKEN_EXPIRED");
        assert!(
            late.header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        let answer = route.send(&nobody, "", JSON, "{}");
        if needs_token {
            route.is_refused(&answer, 401, "TOKEN_REQUIRED");
        } else {
            assert!(answer.status < 401, "{} {}", answer.status, route.path);
        }
        if route.operation["security"][1]["token"] == json!(["admin"]) {
            route.is_refused(&route.send(&reader, "", JSON, "{}"), 403, "FORBIDDEN");
        }
    }
}

#[test]
fn what_only_one_route_refuses_is_a_problem_of_the_document_too() {
    let server = Server::start();
    let alive = json!({"heartbeat_interval_seconds": 3600});
    server.begin(crate::harness::with(start(1), alive));
    server.begin(crate::harness::with(
        start(2),
        json!({"component_name": "crackerjack"}),
    ));
    server.begin(crate::harness::with(
        start(3),
        json!({"component_name": "crackerjack"}),
    ));
    let document = Document::of(&server);
    let batch = "{}\n".repeat(257);
    let all = &[("Accept", "*/*")][..];
    let old = &[("MCP-Protocol-Version", "1999-01-01")][..];
    let ping = r#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#;
    for (method, template, path, headers, body, status, code) in [
        (
            "GET",
            "/api/sessions",
            "/api/sessions?colour=red",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/sessions",
            "/api/sessions?limit=0",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/sessions",
            "/api/sessions?cursor=x",
            JSON,
            "",
            400,
            "INVALID_CURSOR",
        ),
        (
            "GET",
            "/api/sessions/{id}",
            "/api/sessions/nobody",
            JSON,
            "",
            404,
            "SESSION_NOT_FOUND",
        ),
        (
            "GET",
            "/api/sessions/{id}",
            "/api/sessions/%ff",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/sessions/{id}",
            "/api/sessions/crackerjack",
            JSON,
            "",
            409,
            "AMBIGUOUS_ID",
        ),
        (
            "POST",
            "/api/sessions/{id}/end",
            "/api/sessions/nobody/end",
            JSON,
            "{}",
            404,
            "SESSION_NOT_FOUND",
        ),
        (
            "POST",
            "/api/sessions/{id}/end",
            "/api/sessions/crackerjack/end",
            JSON,
            "{}",
            409,
            "AMBIGUOUS_ID",
        ),
        (
            "POST",
            "/api/sessions/{id}/end",
            "/api/sessions/mahavishnu/end",
            JSON,
            "{}",
            409,
            "SESSION_ALIVE",
        ),
        (
            "POST",
            "/api/sessions/{id}/end",
            "/api/sessions/x/end",
            JSON,
            r#"{"force": 1}"#,
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics",
            "/api/analytics",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics",
            "/api/analytics?metric=count&tz=Mars",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics/sessions",
            "/api/analytics/sessions?days=0",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics/duration",
            "/api/analytics/duration?days=366",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics/components",
            "/api/analytics/components?limit=101",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics/errors",
            "/api/analytics/errors?x=",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/analytics/active",
            "/api/analytics/active?days=1",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/audit",
            "/api/audit?limit=1001",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/audit",
            "/api/audit?cursor=x",
            JSON,
            "",
            400,
            "INVALID_CURSOR",
        ),
        (
            "POST",
            "/api/tokens/revoke",
            "/api/tokens/revoke",
            JSON,
            r#"{"token_id": ""}"#,
            400,
            "INVALID_PARAMETER",
        ),
        (
            "GET",
            "/api/schemas/{name}",
            "/api/schemas/SessionStart",
            JSON,
            "",
            404,
            "NOT_FOUND",
        ),
        (
            "GET",
            "/api/schemas/{name}",
            "/api/schemas/%ff",
            JSON,
            "",
            400,
            "INVALID_PARAMETER",
        ),
        (
            "POST",
            "/api/events",
            "/api/events",
            NDJSON,
            &batch,
            413,
            "TOO_LARGE",
        ),
        ("POST", "/mcp", "/mcp", all, ping, 406, "NOT_ACCEPTABLE"),
        ("POST", "/mcp", "/mcp", old, ping, 400, "INVALID_PARAMETER"),
    ] {
        let answer = server.raw(&request(method, path, headers, body));
        document
            .route(method, template)
            .is_refused(&answer, status, code);
    }
}
