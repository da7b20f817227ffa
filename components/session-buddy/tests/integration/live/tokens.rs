//! Who may follow, what, and for how long.

use serde_json::json;
use session_buddy::clock::Clock;

use super::{Events, told};
use crate::{
    harness::{Home, start, with},
    permissions::callers::{Guarded, SECRET, claims, hs256},
};

fn follow(server: &Guarded, query: &str, token: &str) -> Events {
    let bearer = format!("Bearer {token}");
    server.follow(query, &[("Authorization", &bearer)])
}

#[test]
fn a_token_of_one_component_is_told_of_that_alone() {
    let server = Guarded::start();
    let token = hs256(
        SECRET,
        &claims(json!({"scopes": ["read"], "component": "billing"})),
    );
    let mut events = follow(&server, "", &token);
    server.begin_by_hand(start(1));
    server.begin_by_hand(with(start(2), json!({"component_name": "billing"})));
    assert_eq!(events.kinds(1), told(&[("start", 2)]));
    let bearer = [("Authorization", &*format!("Bearer {token}"))];
    let answer = server.follow_refused("?component=mahavishnu", &bearer);
    answer.problem(403, "FORBIDDEN");
}

#[test]
fn a_stream_ends_when_its_token_is_revoked() {
    let server = Guarded::start();
    let token = hs256(SECRET, &claims(json!({"scopes": ["read"], "jti": "t-1"})));
    let other = hs256(SECRET, &claims(json!({"scopes": ["read"], "jti": "t-2"})));
    let (mut events, mut kept) = (follow(&server, "", &token), follow(&server, "", &other));
    let revoked = server.owner().send(
        "POST",
        "/api/tokens/revoke",
        &[],
        &json!({"token_id": "t-1"}).to_string(),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    let last = events.next().unwrap();
    assert_eq!(
        (&*last.kind, &last.data["code"]),
        ("dropped", &json!("TOKEN_REVOKED"))
    );
    assert!(events.next().is_none());
    server.begin_by_hand(start(1));
    assert_eq!(kept.kinds(1), told(&[("start", 1)]));
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let server = Guarded::with_environment(&Home::new(), &[("SESSION_BUDDY_SECRET", SECRET)]);
    let now = Clock::system().now().as_micros() / 1_000_000;
    // It is still taken for a minute after that, less these seconds.
    let exp = now - 56;
    let token = hs256(SECRET, &claims(json!({"scopes": ["read"], "exp": exp})));
    let mut events = follow(&server, "", &token);
    let last = events.next().unwrap();
    assert_eq!(
        (&*last.kind, &last.data["code"]),
        ("dropped", &json!("TOKEN_EXPIRED"))
    );
    assert!(events.next().is_none());
}
