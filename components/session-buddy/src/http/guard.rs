//! What every request must be before a handler sees it: from a browser's page of ours or from no browser, not too
//! large, not too deep.

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use session_model::ErrorCode;
use tokio::time::{sleep, timeout};

use super::{App, EVENTS, IMPORT, Problem};
use crate::{
    auth::{Caller, Peer, routes},
    metrics::UNMATCHED,
    network::{Held, Names},
};

/// The most bytes of a body: 1 MiB.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most levels of objects and arrays in a JSON body.
pub(super) const DEPTH_MAX: usize = 64;

/// Refuses what no handler should see, and counts all that is answered.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let metrics = Arc::clone(&app.metrics);
    let answer = answer(app, request, next).await;
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    metrics.answered(route, answer.status().as_str(), began.elapsed());
    answer
}

async fn answer(app: App, request: Request, next: Next) -> Response {
    let peer = match peer(&app, &request) {
        Ok(peer) => peer,
        Err(problem) => return problem.into_response(),
    };
    let place = match app.traffic.enter(&peer) {
        Ok(place) => place,
        Err(full) => {
            let problem = app.limited(full, &Caller::of(peer), "requests at once");
            return held_back(&app, problem).await;
        }
    };
    match admit(&app, request, peer).await {
        Ok((request, _held)) => {
            let mut answer = next.run(request).await;
            // It is taken until the answer is sent. An answer that never ends has brought a place of another kind.
            answer
                .extensions_mut()
                .get_or_insert_with(|| Arc::new(place));
            answer
        }
        Err(problem) => {
            drop(place);
            held_back(&app, problem).await
        }
    }
}

/// Answers with a refusal; one for going too fast comes late, so that whoever does not wait by himself is made to, and
/// costs nothing meanwhile.
async fn held_back(app: &App, problem: Problem) -> Response {
    if problem.is_for_speed() {
        sleep(app.traffic.network().limits.refusal_delay).await;
    }
    problem.into_response()
}

/// Tells who asks, and for whom where that is a proxy.
fn peer(app: &App, request: &Request) -> Result<Peer, Problem> {
    let peer = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map(|ConnectInfo(peer)| peer.clone());
    let Some(peer) = peer else {
        return Err(Problem::new(
            ErrorCode::Internal,
            "the peer of this connection is unknown",
        ));
    };
    let Some(remote) = peer.remote() else {
        return Ok(peer);
    };
    let host = host(request.headers());
    let names = &app.traffic.network().names;
    check_host(names, &peer, request)?;
    let forwarded = names.forwarded(remote, request.headers(), host.as_ref());
    Ok(peer.forwarding(forwarded))
}

async fn admit(
    app: &App,
    mut request: Request,
    peer: Peer,
) -> Result<(Request, Option<Held>), Problem> {
    check_origin(app, &peer, request.headers())?;
    check_query(request.uri().query().unwrap_or_default())?;
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path
        .as_ref()
        .map(|path| app.known_path(MatchedPath::as_str(path)));
    let method = request.method().as_str();
    let what = format!("{method} {}", path.unwrap_or("an unknown path"));
    let needs = routes::of_route(method, path);
    // What does not take it is not read either: it is told that it is not taken.
    let takes_body = request.method() == Method::POST && routes::has_route(method, path);
    let caller = app.admit(peer.clone(), request.headers(), &what).await?;
    app.traffic
        .ask(&caller)
        .map_err(|full| app.limited(full, &caller, "requests"))?;
    app.allow(&caller, needs, &what).await?;
    request.extensions_mut().insert(caller);
    if takes_body {
        let (request, held) = with_bounded_body(app, request, &peer).await?;
        Ok((request, Some(held)))
    } else {
        Ok((request, None))
    }
}

/// A page of another site can reach a loopback port through a name that it makes resolve there; the name betrays it. At
/// other addresses everything takes a token, which no such page has.
///
/// A second name, in a header or in the request line (RFC 9112, section 3.2.2), is one that somebody before this server
/// may have gone by.
fn check_host(names: &Names, peer: &Peer, request: &Request) -> Result<(), Problem> {
    if !peer.is_at_loopback() && !names.is_public() {
        return Ok(());
    }
    let hosts = request.headers().get_all(header::HOST);
    let several = hosts.iter().count() > 1;
    let hosts = hosts.iter().map(|host| host.to_str().unwrap_or("no text"));
    let named = request.uri().authority().map(Authority::as_str);
    let all: Vec<&str> = hosts.chain(named).collect();
    let is_ours = |host: &&str| {
        host.parse::<Authority>().is_ok_and(|authority| {
            is_loopback_name(authority.host())
                || names.knows_host(&authority)
                || (peer.local().is_some() && literal(authority.host()) == peer.local())
        })
    };
    if !several && !all.is_empty() && all.iter().all(is_ours) {
        return Ok(());
    }
    let shown = if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    };
    let shown = shown.chars().take(100).collect::<String>();
    Err(Problem::new(
        ErrorCode::HostRefused,
        format!(
            "host {shown:?} is not this server; call it localhost, 127.0.0.1 or [::1], or name it in allowed_hosts"
        ),
    ))
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

/// Reads an address that stands for a name. One that maps IPv4 is no name of an IPv4 address.
fn literal(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || literal(host).is_some_and(|address| address.is_loopback())
}

/// A browser says for which site it asks. Those that may are this server, and what it was told of.
fn check_origin(app: &App, peer: &Peer, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let scheme = if peer.is_over_tls() {
        "https://"
    } else {
        "http://"
    };
    let allowed = origin.to_str().is_ok_and(|origin| {
        origin.strip_prefix(scheme) == Some(host)
            || app.traffic.network().names.knows_origin(origin)
    });
    let several = headers.get_all(header::ORIGIN).iter().count() > 1;
    if allowed && !several {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::OriginRefused,
        "pages of other sites may not use this server; ask without an Origin header",
    ))
}

/// A token in a query string ends up in logs and histories.
fn check_query(query: &str) -> Result<(), Problem> {
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    if names.any(|name| matches!(&*name, "token" | "access_token")) {
        let detail =
            "a token does not belong in a query string; send it as `Authorization: Bearer`";
        return Err(Problem::new(ErrorCode::InvalidParameter, detail));
    }
    Ok(())
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

async fn with_bounded_body(
    app: &App,
    request: Request,
    peer: &Peer,
) -> Result<(Request, Held), Problem> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path();
    let media_type = if path == EVENTS || path == IMPORT {
        NDJSON
    } else {
        JSON
    };
    check_media_type(&head.headers, media_type)?;
    if path == IMPORT {
        // It has bounds of its own, and is read as it comes.
        let held = app.traffic.body(peer);
        return Ok((Request::from_parts(head, body), held));
    }
    // Some readers behind this know the media type in one spelling only.
    head.headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let (bytes, held) = bounded(app, body, peer).await?;
    // Of a batch each line is looked at by itself.
    if media_type == JSON && depth(&bytes) > DEPTH_MAX {
        let detail = format!("the body is nested over {DEPTH_MAX} levels deep");
        return Err(Problem::new(ErrorCode::InvalidParameter, detail));
    }
    Ok((Request::from_parts(head, Body::from(bytes)), held))
}

/// Bodies are taken in one form, and as they are: unpacking would make a bomb of a small one.
fn check_media_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let refused = |detail: String| Err(Problem::new(ErrorCode::UnsupportedMediaType, detail));
    let is = |name, expected: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let word = value.and_then(|value| value.split(';').next());
        word.is_some_and(|word| word.trim().eq_ignore_ascii_case(expected))
    };
    if !is(header::CONTENT_TYPE, expected) {
        return refused(format!("send the body with `Content-Type: {expected}`"));
    }
    if headers.contains_key(header::CONTENT_ENCODING) && !is(header::CONTENT_ENCODING, "identity") {
        return refused("send the body as it is, without a `Content-Encoding`".to_owned());
    }
    Ok(())
}

/// Reads a body that is neither too large nor too slow, and for which there is room.
async fn bounded(app: &App, body: Body, peer: &Peer) -> Result<(Bytes, Held), Problem> {
    let patience = app.traffic.network().limits.body_timeout;
    timeout(patience, read(app, body, peer))
        .await
        .unwrap_or_else(|_| {
            let detail = format!("the body did not come within {} s", patience.as_secs_f64());
            Err(Problem::new(ErrorCode::Timeout, detail))
        })
}

async fn read(app: &App, body: Body, peer: &Peer) -> Result<(Bytes, Held), Problem> {
    let mut body = Limited::new(body, BODY_BYTES_MAX);
    let mut held = app.traffic.body(peer);
    let mut parts = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        let Ok(part) = frame.map_err(|error| unreadable(&*error))?.into_data() else {
            continue;
        };
        held.add(part.len()).map_err(|full| {
            app.limited(full, &Caller::of(peer.clone()), "bytes of bodies at once")
        })?;
        parts.push(part);
    }
    // Most come whole.
    let whole = match <[Bytes; 1]>::try_from(parts) {
        Ok([whole]) => whole,
        Err(parts) => parts.concat().into(),
    };
    Ok((whole, held))
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        let detail = format!("the body is over {BODY_BYTES_MAX} bytes");
        Problem::new(ErrorCode::TooLarge, detail)
    } else {
        let detail = "the body broke off";
        Problem::new(ErrorCode::InvalidParameter, detail)
    }
}

/// Measures the nesting of JSON without reading it; of anything else it measures something, and its reader refuses it.
pub(super) fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth(br#"{"a": [1, {"b": []}]}"#), 4);
        assert_eq!(depth(br#"["[[[", "\"[[", {}]"#), 2);
        assert_eq!(depth(b"]]]]["), 1);
        assert_eq!(depth("[".repeat(100).as_bytes()), 100);
    }
}
