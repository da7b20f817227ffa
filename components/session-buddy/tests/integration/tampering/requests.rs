//! The cases that speak to a server: each is refused as its file says, changes nothing, and the server serves on.

use std::io::{Read, Write};

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde_json::{Value, json};

use super::case::{By, Case, CommandLine, Findings, Kind, Peer, Request, TokenOf, cases, fill};
use crate::{
    harness::{Answer, Home, STRANGER, Server, as_user, is_root, request, run, start, with},
    permissions::callers::{EMITTERS_SECRET, SECRET, claims, hs256},
};

/// A server, what stands on record there, and how many sessions that should be.
struct Target {
    server: Server,
    values: Value,
    sessions: u16,
}

impl Target {
    fn of(kind: Kind) -> Self {
        let home = Home::new();
        let mut command = home.command();
        if kind == Kind::Guarded {
            command.env("SESSION_BUDDY_SECRET", SECRET);
            command.env("MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET", EMITTERS_SECRET);
        }
        let server = home.start_as(command);
        let mut target = Self {
            server,
            values: json!({}),
            sessions: 0,
        };
        let session = target.begin(start(1));
        let billing = target.begin(with(start(2), json!({"component_name": "billing"})));
        let revoked = json!({"token_id": "revoked-1"});
        let revoke = request("POST", "/api/tokens/revoke", &[], &revoked.to_string());
        assert_eq!(target.server.raw_unix(&revoke).status, 200);
        target.values = json!({
            "session": session,
            "billing": billing,
            "start": start(800),
            "replay": start(1),
            "other_pid": with(start(1), json!({"pid": 1})),
            "other_user": with(start(1), json!({"user": {"username": "eve"}})),
            "other_metadata": with(start(1), json!({"metadata": {"note": "added"}})),
            "of_billing": with(start(800), json!({"component_name": "billing"})),
            "port": target.server.address().port().to_string(),
        });
        target
    }

    /// Begins a session as the owner does, on the socket.
    fn begin(&mut self, event: Value) -> String {
        let body = crate::harness::call_body("track_session_start", event);
        let answer = self
            .server
            .raw_unix(&request("POST", "/mcp", &[], &body))
            .json();
        let content = &answer["result"]["structuredContent"];
        assert_eq!(content["status"], "tracked", "{answer}");
        self.sessions += 1;
        content["session_id"].as_str().unwrap().to_owned()
    }

    /// All that is on record, without what grows by itself.
    fn record(&self) -> Value {
        let answer = self
            .server
            .raw_unix(&request("GET", "/api/sessions", &[], ""));
        let mut sessions = answer.json();
        for session in sessions.as_array_mut().unwrap() {
            session["duration_seconds"].take();
        }
        sessions
    }

    fn try_out(&mut self, case: &Case, findings: &mut Findings) {
        let before = self.record();
        let mut values = self.values.clone();
        if let Some(token) = &case.token {
            values["token"] = token_of(token).into();
        }
        for request in &case.request {
            if request.by == By::Stranger && !is_root() {
                continue;
            }
            let answer = self.ask(case, request, &values);
            judge(case, request, &answer, findings);
        }
        for line in &case.command {
            self.command(case, line, findings);
        }
        let after = self.record();
        findings.check(case, before == after, || {
            format!("it changed {before} to {after}")
        });
        let number = 100 + self.sessions;
        self.begin(start(number));
    }

    fn ask(&self, case: &Case, asked: &Request, values: &Value) -> Answered {
        let bytes = match &asked.raw {
            Some(raw) => fill(raw, values),
            None => compose(case, asked, values),
        };
        match asked.by {
            By::Somebody => exchange(self.server.tcp(), &bytes),
            By::Owner => exchange(self.server.unix(), &bytes),
            By::Stranger => {
                let mut shell = as_user(STRANGER);
                let relay = "exec 3<>/dev/tcp/127.0.0.1/$0; cat >&3; cat <&3";
                let port = self.server.address().port().to_string();
                shell.args(["bash", "-c", relay, &port]);
                let bytes = String::from_utf8(bytes).unwrap();
                Answered::read(run(shell, &bytes).with_code(0).stdout.as_bytes())
            }
        }
    }

    fn command(&self, case: &Case, asked: &CommandLine, findings: &mut Findings) {
        if !is_root() && (asked.by == By::Stranger || asked.peer == Peer::SocketOfStranger) {
            return;
        }
        let line = String::from_utf8(fill(&asked.line, &self.values)).unwrap();
        let visitor = Home::of_stranger();
        let false_server = (asked.peer == Peer::SocketOfStranger)
            .then(|| visitor.start_as(visitor.command_of_stranger()));
        let home = match (asked.peer, asked.by) {
            (Peer::Server, By::Somebody | By::Owner) => &*self.server,
            (Peer::SocketOfStranger, _) | (Peer::Server, By::Stranger) => &visitor,
            (Peer::SquattedPort, _) => &Home::new(),
        };
        let mut command = match asked.by {
            By::Stranger => home.command_of_stranger(),
            By::Somebody | By::Owner => home.command(),
        };
        command.args(line.split(' '));
        let ran = run(command, "");
        let as_said = ran.code == Some(asked.exit) && ran.stderr.contains(&asked.says);
        findings.check(case, as_said, || format!("{line}: {ran:?}"));
        drop(false_server);
    }
}

/// Writes a request as most clients would.
fn compose(case: &Case, asked: &Request, values: &Value) -> Vec<u8> {
    let text = |template: &str| String::from_utf8(fill(template, values)).unwrap();
    let (method, path, body) = match &asked.call {
        Some(tool) => {
            let arguments = asked.arguments.as_deref().unwrap_or("{}");
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
            );
            ("POST", "/mcp".to_owned(), fill(&body, values))
        }
        None => (
            asked.method.as_deref().unwrap_or("GET"),
            text(asked.path.as_deref().unwrap_or("/api/sessions")),
            fill(&asked.body, values),
        ),
    };
    let mut headers: Vec<_> = asked
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let templates = [
        asked.path.as_deref(),
        asked.arguments.as_deref(),
        Some(&*asked.body),
    ];
    let placed = templates
        .into_iter()
        .flatten()
        .any(|template| template.contains("<<token>>"))
        || asked
            .headers
            .iter()
            .any(|(_, value)| value.contains("<<token>>"));
    if case.token.is_some() && !placed {
        headers.push(("Authorization".to_owned(), text("Bearer <<token>>")));
    }
    let length = body.len().to_string();
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        headers.push(("Content-Length", &length));
    }
    let mut bytes = request(method, &path, &headers, "");
    bytes.extend(body);
    bytes
}

/// What came of a request; without an answer its status is 0.
struct Answered {
    status: u16,
    body: Vec<u8>,
    /// More than one would be that of a smuggled request.
    answers: usize,
}

impl Answered {
    fn read(bytes: &[u8]) -> Self {
        let answers = String::from_utf8_lossy(bytes).matches("HTTP/1.").count();
        let (status, body) = match answers {
            0 => (0, Vec::new()),
            _ => {
                let first = Answer::read(bytes);
                (first.status, first.body)
            }
        };
        Self {
            status,
            body,
            answers,
        }
    }
}

/// Sends bytes and reads everything that comes.
fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> Answered {
    // A server may answer, and close, before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    Answered::read(&answers)
}

fn judge(case: &Case, asked: &Request, answer: &Answered, findings: &mut Findings) {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let result = &json["result"]["structuredContent"]["error_code"];
    let tool = if result.is_null() {
        &json[0]["error_code"]
    } else {
        result
    };
    let same = |expected: &Option<String>, found: &Value| {
        expected.as_deref().is_none_or(|expected| found == expected)
    };
    let as_said = asked.status.contains(&answer.status)
        && answer.answers <= 1
        && same(&asked.code, &json["code"])
        && same(&asked.tool, tool)
        && asked.rpc.is_none_or(|rpc| json["error"]["code"] == rpc)
        && (!asked.empty || body == "[]")
        && asked.says.as_deref().is_none_or(|says| body.contains(says));
    findings.check(case, as_said, || {
        format!(
            "{asked:?} is answered {} times, {} {body}",
            answer.answers, answer.status
        )
    });
    // Nothing of the inside, and nothing of a secret.
    for word in [
        "panicked",
        "src/",
        "rusqlite",
        "SELECT ",
        SECRET,
        EMITTERS_SECRET,
    ] {
        findings.check(case, !body.contains(word), || {
            format!("it says {word:?}: {body}")
        });
    }
}

/// Makes a token of any shape.
fn token_of(token: &TokenOf) -> String {
    let secret = match token.secret.as_str() {
        "own" => SECRET,
        "emitters" => EMITTERS_SECRET,
        other => other,
    };
    let header = token
        .header
        .as_deref()
        .unwrap_or(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = match &token.claims {
        Some(claims) => claims.clone(),
        None => claims(json!({"scopes": ["admin"]})).to_string(),
    };
    let [header, claims] = [header, &claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, format!("{header}.{claims}").as_bytes());
    let signature = BASE64URL_NOPAD.encode(signature.as_ref());
    token
        .shape
        .replace("{header}", &header)
        .replace("{claims}", &claims)
        .replace("{signature}", &signature)
}

#[test]
fn every_request_of_the_table_is_refused_and_changes_nothing() {
    let (mut guarded, mut open) = (Target::of(Kind::Guarded), Target::of(Kind::Open));
    let mut findings = Findings::default();
    for case in cases().iter().filter(|case| case.edit.is_none()) {
        match case.server {
            Kind::Guarded => guarded.try_out(case, &mut findings),
            Kind::Open => open.try_out(case, &mut findings),
        }
    }
    for target in [guarded, open] {
        assert_eq!(
            target.record().as_array().unwrap().len(),
            usize::from(target.sessions)
        );
        let home = target.server.stop();
        home.cli("verify").with_code(0);
    }
    findings.finish();
}

/// The table would be green as well if nobody was let in.
#[test]
fn a_token_of_the_table_that_is_as_it_should_be_is_taken() {
    let target = Target::of(Kind::Guarded);
    let token: TokenOf = toml::from_str("").unwrap();
    let token = token_of(&token);
    assert_eq!(token, hs256(SECRET, &claims(json!({"scopes": ["admin"]}))));
    let headers = [("Authorization", &*format!("Bearer {token}"))];
    let answer = target.server.send("GET", "/api/audit", &headers, "");
    assert_eq!(answer.status, 200, "{}", answer.text());
}
