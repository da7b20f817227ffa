//! What a browser gets.

use std::{
    convert::Infallible,
    fs,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_core::Stream;
use minijinja::HtmlEscape;
use tokio::{sync::mpsc::Receiver, task::spawn_blocking};

use super::{Seen, Shared};
use crate::{Access, App, PUBLIC, Page, Problem, Site};

/// Where a page hears of changes.
pub(super) const CHANGES: &str = "/__fastblocks/changes";
/// What is put into each page here, and into none that is built. A server that comes back may have other pages.
const RELOAD: &str = "<script>{let s=new EventSource(\"/__fastblocks/changes\"),o;\
    s.addEventListener(\"change\",()=>location.reload());s.onopen=()=>{if(o)location.reload();o=1}}</script>";

/// Tells a browser of each change.
pub(super) async fn changes(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !is_for_us(&headers) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    match shared.browser() {
        Some(receiver) => Sse::new(Changes(receiver))
            .keep_alive(KeepAlive::default())
            .into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

struct Changes(Receiver<()>);

impl Stream for Changes {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let told = self.0.poll_recv(context);
        told.map(|told| told.map(|()| Ok(Event::default().event("change").data("1"))))
    }
}

/// Answers for a page or a file.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !is_for_us(&headers) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response();
    }
    let path = uri.path().to_owned();
    let made = spawn_blocking(move || {
        let seen = shared.seen();
        make(&seen, shared.role.as_deref(), &path)
    });
    made.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Tells whether a request means this machine. A name of somebody else's that leads here would let their pages read these.
fn is_for_us(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    matches!(name, Some("localhost" | "127.0.0.1"))
}

fn make(seen: &Seen, role: Option<&str>, path: &str) -> Response {
    let Some(app) = &seen.app else {
        return broken(&seen.problems);
    };
    // What is looked up is what was found, never what was asked for.
    if let Some(file) = app.assets.get(path) {
        return match fs::read(file) {
            Ok(bytes) => with_type(StatusCode::OK, type_of(path), bytes),
            Err(_) => not_found(app, path),
        };
    }
    if !seen.problems.is_empty() {
        return broken(&seen.problems);
    }
    show(app, seen, role, path).unwrap_or_else(|problems| broken(&problems))
}

fn show(app: &App, seen: &Seen, role: Option<&str>, path: &str) -> Result<Response, Vec<Problem>> {
    let site = Site::new(app, &seen.data, role).map_err(|found| found.0)?;
    let pages = site.pages().map_err(|found| found.0)?;
    let page_at = |path: &str| pages.iter().find(|page| page.path == path);
    let shown = |page: &Page<'_>| site.show(page).map_err(|problem| vec![problem]);
    if let Some(page) = page_at(path) {
        return Ok(if site.shows(page) {
            html(StatusCode::OK, &shown(page)?)
        } else {
            forbidden(&page.route.access, role)
        });
    }
    let folder = format!("{path}/");
    if page_at(&folder).is_some() {
        return Ok((StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, folder)]).into_response());
    }
    match page_at("/404.html").filter(|page| site.shows(page)) {
        Some(page) => Ok(html(StatusCode::NOT_FOUND, &shown(page)?)),
        None => Ok(not_found(app, path)),
    }
}

fn not_found(app: &App, path: &str) -> Response {
    let routes: String = app
        .routes
        .iter()
        .map(|route| {
            format!(
                "<li><code>{}</code> {}</li>",
                escaped(&route.path),
                escaped(&route.title)
            )
        })
        .collect();
    let text = format!(
        "<p>There is no page <code>{}</code>. There are:</p><ul>{routes}</ul>",
        escaped(path)
    );
    note(StatusCode::NOT_FOUND, "No such page", &text)
}

fn forbidden(access: &Access, role: Option<&str>) -> Response {
    let (access, role) = (access.to_string(), role.unwrap_or(PUBLIC));
    let text = format!(
        "<p>This page is for <b>{}</b>, and you look at it as <b>{}</b>.</p><p>To look at it as somebody else: <code>fastblocks serve --as ROLE</code></p>",
        escaped(&access),
        escaped(role)
    );
    note(StatusCode::FORBIDDEN, "Not for you", &text)
}

fn broken(problems: &[Problem]) -> Response {
    let lines: String = problems
        .iter()
        .map(|problem| format!("<li><code>{}</code></li>", escaped(&problem.to_string())))
        .collect();
    let text =
        format!("<p>This page comes back by itself when they are mended.</p><ol>{lines}</ol>");
    let title = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    note(StatusCode::INTERNAL_SERVER_ERROR, &title, &text)
}

fn escaped(text: &str) -> String {
    HtmlEscape(text).to_string()
}

fn note(status: StatusCode, title: &str, text: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>\
        <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}}\
        code{{overflow-wrap:anywhere}}</style><body><h1>{title}</h1>{text}</body></html>"
    );
    html(status, &page)
}

fn html(status: StatusCode, page: &str) -> Response {
    let at = page.rfind("</body>").unwrap_or(page.len());
    let (before, after) = page.split_at(at);
    with_type(
        status,
        "text/html; charset=utf-8",
        format!("{before}{RELOAD}{after}").into_bytes(),
    )
}

fn with_type(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, bytes).into_response()
}

/// Gives the type of a file by its ending.
fn type_of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "jpg" | "jpeg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
