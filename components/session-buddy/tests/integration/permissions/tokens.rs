//! Every shape of token.

use serde_json::{Value, json};

use super::callers::{EMITTERS_SECRET, Guarded, SECRET, claims, hs256, signed};
use crate::harness::{Home, call_body, start, with};

const HS256: &str = "HS256";

/// Gives the status and code of a request that takes the right to read.
fn read_with(server: &Guarded, token: &str) -> (u16, Value) {
    let answer = server
        .bearing("reader", token.to_owned())
        .send("GET", "/api/sessions", &[], "");
    let code = match answer.status {
        200 => Value::Null,
        _ => answer.json()["code"].clone(),
    };
    (answer.status, code)
}

#[test]
fn every_documented_shape_is_accepted() {
    let server = Guarded::start();
    let exp = 9_999_999_999_u64;
    for claims in [
        json!({"user_id": "alpha", "exp": exp, "iat": 0, "type": "access", "iss": "session-buddy"}),
        json!({"user_id": "alpha", "exp": exp, "iat": 0, "type": "access", "iss": "mahavishnu", "role": "admin"}),
        json!({"user_id": "alpha", "exp": exp, "iat": 0, "type": "access", "iss": "oneiric", "refreshed_at": 1}),
        json!({"sub": "beta", "iss": "fastblocks", "aud": "session-buddy", "iat": 0, "exp": exp, "jti": "j", "scopes": ["read"]}),
        json!({"sub": "beta", "iss": "dhara", "aud": ["session-buddy"], "exp": exp, "scopes": ["read", "write", "delete"]}),
        json!({"sub": "beta", "exp": exp}),
        json!({"sub": "beta", "exp": exp, "scope": "read"}),
    ] {
        assert_eq!(
            read_with(&server, &hs256(SECRET, &claims)),
            (200, Value::Null),
            "{claims}"
        );
    }
    // A role that older tokens claim gives no right.
    let admin = hs256(SECRET, &claims(json!({"role": "admin"})));
    let audit = server
        .bearing("role", admin)
        .send("GET", "/api/audit", &[], "");
    audit.problem(403, "FORBIDDEN");
}

#[test]
fn forged_stripped_and_confused_tokens_are_refused() {
    let server = Guarded::start();
    let good = claims(json!({"scopes": ["admin"]}));
    let token = hs256(SECRET, &good);
    let parts: Vec<&str> = token.split('.').collect();
    let of_header = |header: Value| signed(SECRET, &header, &good);
    let of = |changes: Value| hs256(SECRET, &claims(changes));
    let elsewhere = "another-secret-of-which-this-server-knows-nothing";
    let more = signed(
        SECRET,
        &json!({"alg": HS256}),
        &with(good.clone(), json!({"sub": "root"})),
    );
    let cases = [
        ("no token", "garbage".to_owned()),
        ("two parts", parts[..2].join(".")),
        ("stripped", format!("{}.{}.", parts[0], parts[1])),
        ("four parts", format!("{token}.x")),
        ("re-signed", hs256(elsewhere, &good)),
        (
            "another token's signature",
            format!(
                "{}.{}",
                parts[..2].join("."),
                more.rsplit('.').next().unwrap()
            ),
        ),
        (
            "another token's claims",
            format!(
                "{}.{}.{}",
                parts[0],
                more.split('.').nth(1).unwrap(),
                parts[2]
            ),
        ),
        ("none", of_header(json!({"alg": "none"}))),
        (
            "None, stripped",
            format!(
                "{}.",
                of_header(json!({"alg": "nOnE"}))
                    .rsplit_once('.')
                    .unwrap()
                    .0
            ),
        ),
        ("HS512", of_header(json!({"alg": "HS512"}))),
        ("RS256", of_header(json!({"alg": "RS256"}))),
        ("no alg", of_header(json!({"typ": "JWT"}))),
        ("crit", of_header(json!({"alg": HS256, "crit": ["exp"]}))),
        ("no exp", hs256(SECRET, &json!({"sub": "x"}))),
        ("exp of text", of(json!({"exp": "9999999999"}))),
        ("not yet", of(json!({"nbf": 9_999_999_998_u64}))),
        (
            "no subject",
            hs256(SECRET, &json!({"exp": 9_999_999_999_u64})),
        ),
        ("the kernel's name", of(json!({"sub": "uid 0"}))),
        ("a claimed name", of(json!({"sub": "claimed:les"}))),
        ("other audience", of(json!({"aud": "mahavishnu"}))),
        (
            "audience of no text",
            of(json!({"aud": {"session-buddy": true}})),
        ),
        ("refresh", of(json!({"type": "refresh"}))),
        ("scopes of no text", of(json!({"scopes": {"admin": true}}))),
        (
            "component of no text",
            of(json!({"component": ["billing"]})),
        ),
        (
            "claims of no object",
            signed(SECRET, &json!({"alg": HS256}), &json!([])),
        ),
    ];
    for (case, token) in cases {
        assert_eq!(
            read_with(&server, &token),
            (401, json!("TOKEN_INVALID")),
            "{case}"
        );
    }
    assert_eq!(
        read_with(&server, &of(json!({"exp": 1}))),
        (401, json!("TOKEN_EXPIRED"))
    );
    // A bad one is refused where none is needed too, and on the socket.
    server
        .bearing("bad", "x".to_owned())
        .send("GET", "/health", &[], "")
        .problem(401, "TOKEN_INVALID");
    let bearer = [("Authorization", "Bearer x")];
    server
        .owner()
        .send("GET", "/api/sessions", &bearer, "")
        .problem(401, "TOKEN_INVALID");
    for header in ["Basic bGVzOng=", "Bearer", "x"] {
        let headers = [("Authorization", header)];
        let answer = server.nobody().send("GET", "/api/sessions", &headers, "");
        answer.problem(401, "TOKEN_INVALID");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"session-buddy\"")
        );
    }
    let log = server.stop_for_log();
    assert!(
        log.contains("TOKEN_INVALID") && !log.contains(parts[1]),
        "{log}"
    );
}

#[test]
fn a_token_comes_as_an_argument_too_and_is_answered_in_the_words_of_its_tool() {
    let server = Guarded::start();
    let call = |tool: &str, arguments: Value| server.nobody().call(tool, arguments).unwrap();
    let emit = hs256(SECRET, &claims(json!({"scopes": ["emit"]})));
    for (token, code) in [
        (Value::Null, "TOKEN_REQUIRED"),
        (json!(""), "TOKEN_REQUIRED"),
        (json!("x"), "TOKEN_INVALID"),
        (json!(7), "TOKEN_INVALID"),
        (
            json!(hs256(SECRET, &claims(json!({"exp": 1})))),
            "TOKEN_EXPIRED",
        ),
        (
            json!(hs256(SECRET, &claims(json!({"scopes": ["read"]})))),
            "FORBIDDEN",
        ),
    ] {
        let refused = call(
            "track_session_start",
            with(start(1), json!({"token": token})),
        );
        assert_eq!(refused["isError"], true, "{token}");
        let content = &refused["structuredContent"];
        assert_eq!(
            (&content["session_id"], &content["status"]),
            (&Value::Null, &json!("error"))
        );
        assert_eq!(content["error_code"], code, "{token}");
    }
    let required = call("list_sessions", json!({}));
    assert_eq!(
        required["structuredContent"]["detail"],
        "Authentication failed: Token required (SESSION_BUDDY_SECRET is set); send it as `Authorization: Bearer` or as \
         the argument `token`"
    );
    let tracked = call(
        "track_session_start",
        with(start(1), json!({"token": emit})),
    );
    assert_eq!(tracked["structuredContent"]["status"], "tracked");
    assert_eq!(
        call("health_check", json!({}))["structuredContent"]["auth"],
        "required"
    );

    // Its name may be spelled with escapes.
    let body = call_body(
        "track_session_start",
        with(start(2), json!({"t0ken": emit})),
    );
    let body = body.replace("t0ken", "tok\\u0065n");
    let answer = server.nobody().send("POST", "/mcp", &[], &body).json();
    assert_eq!(
        answer["result"]["structuredContent"]["status"], "tracked",
        "{answer}"
    );
    server
        .nobody()
        .send("GET", "/api/sessions?token=x", &[], "")
        .problem(400, "INVALID_PARAMETER");
}

#[test]
fn a_rotation_keeps_old_tokens_good_until_the_old_secret_goes() {
    let new = "Nq0vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA";
    let old_token = hs256(SECRET, &claims(json!({})));
    let home = Home::new();
    let both = format!("{SECRET},{new}");
    let server = Guarded::with_environment(&home, &[("SESSION_BUDDY_SECRET", &both)]);
    assert_eq!(read_with(&server, &old_token).0, 200);
    assert_eq!(read_with(&server, &hs256(new, &claims(json!({})))).0, 200);
    let mut command = home.command();
    command.env("SESSION_BUDDY_SECRET", &both);
    command.args(["token", "create", "--subject", "ci", "--scope", "read"]);
    let made = crate::harness::run(command, "").with_code(0).stdout;
    let home = server.stop();
    let server = Guarded::with_environment(&home, &[("SESSION_BUDDY_SECRET", new)]);
    assert_eq!(
        read_with(&server, &old_token),
        (401, json!("TOKEN_INVALID"))
    );
    assert_eq!(read_with(&server, made.trim()).0, 200);
}

#[test]
fn a_revoked_token_is_good_no_longer_also_after_a_restart() {
    let home = Home::new();
    let secret = [("SESSION_BUDDY_SECRET", SECRET)];
    let server = Guarded::with_environment(&home, &secret);
    let make = |more: &str| {
        let mut command = home.command();
        command
            .env("SESSION_BUDDY_SECRET", SECRET)
            .args(["token", "create", "--subject", "les"]);
        command.args(more.split_ascii_whitespace());
        crate::harness::run(command, "")
            .with_code(0)
            .stdout
            .trim()
            .to_owned()
    };
    let (token, other) = (make("--scope read --ttl 1h"), make("--scope read --ttl 1h"));
    assert_eq!(read_with(&server, &token).0, 200);
    let mut command = home.command();
    command.args(["token", "revoke", "-", "--reason", "laptop lost"]);
    crate::harness::run(command, &format!("{token}\n")).with_code(0);
    assert_eq!(read_with(&server, &token), (401, json!("TOKEN_REVOKED")));
    assert_eq!(read_with(&server, &other).0, 200);
    let home = server.stop();
    let server = Guarded::with_environment(&home, &secret);
    assert_eq!(read_with(&server, &token), (401, json!("TOKEN_REVOKED")));
    assert_eq!(read_with(&server, &other).0, 200);
}

#[test]
fn tokens_are_made_within_bounds_and_shown() {
    let home = Home::new();
    let run = |secret: Option<&str>, line: &str| {
        let mut command = home.command();
        command.envs(secret.map(|secret| ("SESSION_BUDDY_SECRET", secret)));
        command.args(line.split_ascii_whitespace());
        crate::harness::run(command, "")
    };
    let create = "token create --subject ci --scope emit,read --component billing";
    let json = run(Some(SECRET), &format!("{create} --ttl 30d --format json"))
        .with_code(0)
        .json();
    let show = run(
        Some(SECRET),
        &format!(
            "token show {} --format json",
            json["token"].as_str().unwrap()
        ),
    );
    let shown = show.with_code(0).json();
    for key in ["token_id", "subject", "scopes", "component", "expires_at"] {
        assert_eq!(shown[key], json[key], "{key}");
    }
    assert_eq!(shown["signature"], "made with SESSION_BUDDY_SECRET");
    let show = run(
        Some(EMITTERS_SECRET),
        &format!("token show {}", json["token"].as_str().unwrap()),
    );
    assert!(
        show.with_code(0)
            .stdout
            .contains("made with no secret of this environment")
    );
    run(None, create)
        .with_code(1)
        .saying("there is no secret here");
    for ttl in ["59s", "366d", "1y", "0"] {
        run(Some(SECRET), &format!("{create} --ttl {ttl}")).with_code(2);
    }
    run(Some(SECRET), "token create --subject x --scope write")
        .with_code(2)
        .saying("expected emit, read or admin");
    run(Some(SECRET), "token create --subject claimed:x")
        .with_code(2)
        .saying("which no name may");
    run(Some("short"), create)
        .with_code(1)
        .saying("a secret of 5 bytes");
    run(None, "token show garbage")
        .with_code(1)
        .saying("no token that a server would take");
}
