//! A server with secrets, and those who speak to it.

use std::ops::Deref;

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Headers, Home, STRANGER, Server, as_user, call_body, request, run, with,
};

/// The server's own secret, as the documents make one.
pub(crate) const SECRET: &str = "hSc1dQfVQ1oh5EhwEIDgDtGzxuyEbW6TW8I1cW0Zf6Y";
/// The secret of all emitters.
pub(crate) const EMITTERS_SECRET: &str = "Zq0vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA";
pub(crate) const STATUS_OK: &str = "ok";

/// Signs claims as any other program would.
pub(crate) fn signed(secret: &str, header: &Value, claims: &Value) -> String {
    let part = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

pub(crate) fn hs256(secret: &str, claims: &Value) -> String {
    signed(secret, &json!({"alg": "HS256", "typ": "JWT"}), claims)
}

/// Claims of somebody, good for centuries, changed.
pub(crate) fn claims(changes: Value) -> Value {
    with(
        json!({"sub": "somebody", "exp": 9_999_999_999_u64}),
        changes,
    )
}

/// A server with both secrets.
pub(crate) struct Guarded(Server);

impl Deref for Guarded {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Guarded {
    pub(crate) fn start() -> Self {
        Self::with_environment(
            &Home::new(),
            &[
                ("SESSION_BUDDY_SECRET", SECRET),
                ("MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET", EMITTERS_SECRET),
            ],
        )
    }

    pub(crate) fn with_environment(home: &Home, variables: &[(&str, &str)]) -> Self {
        let mut command = home.command();
        command.envs(variables.iter().copied());
        Self(home.start_as(command))
    }

    pub(crate) fn stop(self) -> Home {
        self.0.stop()
    }

    pub(crate) fn stop_for_log(self) -> String {
        self.0.stop_for_log()
    }

    /// Who has no token.
    pub(crate) fn nobody(&self) -> Caller<'_> {
        Caller::tcp("nobody", self)
    }

    /// Who has a token of the server's own secret.
    pub(crate) fn with(&self, name: &'static str, changes: Value) -> Caller<'_> {
        self.bearing(name, hs256(SECRET, &claims(changes)))
    }

    /// Who has a token of the secret of all emitters.
    pub(crate) fn emitter(&self, name: &'static str, changes: Value) -> Caller<'_> {
        self.bearing(name, hs256(EMITTERS_SECRET, &claims(changes)))
    }

    pub(crate) fn bearing(&self, name: &'static str, token: String) -> Caller<'_> {
        Caller {
            token: Some(token),
            ..Caller::tcp(name, self)
        }
    }

    /// Its own user, on the socket.
    pub(crate) fn owner(&self) -> Caller<'_> {
        Caller::unix("owner", self)
    }

    /// Begins a session on the socket.
    pub(crate) fn begin_by_hand(&self, event: Value) -> String {
        let result = self.owner().call("track_session_start", event).unwrap();
        result["structuredContent"]["session_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// Somebody who speaks to a server.
pub(crate) struct Caller<'a> {
    name: &'static str,
    server: &'a Server,
    way: Way,
    token: Option<String>,
}

enum Way {
    Tcp,
    Unix,
    TcpAsStranger,
}

impl<'a> Caller<'a> {
    pub(crate) fn tcp(name: &'static str, server: &'a Server) -> Self {
        Self {
            name,
            server,
            way: Way::Tcp,
            token: None,
        }
    }

    pub(crate) fn unix(name: &'static str, server: &'a Server) -> Self {
        let way = Way::Unix;
        Self {
            way,
            ..Self::tcp(name, server)
        }
    }

    /// Another user of this machine.
    pub(crate) fn stranger(name: &'static str, server: &'a Server) -> Self {
        let way = Way::TcpAsStranger;
        Self {
            way,
            ..Self::tcp(name, server)
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &Headers<'_>,
        body: &str,
    ) -> Answer {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = headers.to_vec();
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        let bytes = request(method, path, &headers, body);
        match self.way {
            Way::Tcp => self.server.raw(&bytes),
            Way::Unix => self.server.raw_unix(&bytes),
            Way::TcpAsStranger => {
                let mut shell = as_user(STRANGER);
                let relay = "exec 3<>/dev/tcp/127.0.0.1/$0; cat >&3; cat <&3";
                let port = self.server.address().port().to_string();
                shell.args(["bash", "-c", relay, &port]);
                let bytes = String::from_utf8(bytes).unwrap();
                Answer::read(run(shell, &bytes).with_code(0).stdout.as_bytes())
            }
        }
    }

    /// Calls a tool and gives its result; none where there is no such tool.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Option<Value> {
        let answer = self
            .send("POST", "/mcp", &[], &call_body(tool, arguments))
            .json();
        assert!(answer["code"].is_null(), "{answer}");
        let result = answer["result"].clone();
        (!result.is_null()).then_some(result)
    }
}
