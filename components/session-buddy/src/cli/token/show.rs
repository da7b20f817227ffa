//! `session-buddy token show`

use serde_json::json;
use session_client::{
    Clock,
    token::{Claims, TokenError, insecure_read},
};
use session_model::{Timestamp, escape::for_line};

use super::{
    ExitStatus, Failure, Format, Show, keys, named_or_read, print, print_json, secret_failure,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token; - reads it from standard input [default: SESSION_BUDDY_TOKEN, else -]
    token: Option<String>,
    #[command(flatten)]
    show: Show,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var_os(name);
    let of_environment = session_client::token::lookup("SESSION_BUDDY_TOKEN", &variable)
        .map_err(|error| secret_failure(&error))?;
    let token = match (&args.token, of_environment) {
        (None, Some((token, _))) => token,
        (named, _) => named_or_read(named.as_deref().unwrap_or("-"))
            .map_err(|error| Failure::of(ExitStatus::Failed, &error))?,
    };
    let (header, claims) = insecure_read(&token).map_err(|error| no_token(&error))?;
    let claims = Claims::read(&claims).map_err(|error| no_token(&error))?;
    let signature = match keys()? {
        None => "not checked: there is no secret here".to_owned(),
        Some(keys) => match keys.made(&token) {
            Some(variable) => format!("made with {variable}"),
            None => "made with no secret of this environment".to_owned(),
        },
    };
    let time = match claims.check_time(Clock::system().now()) {
        Ok(()) => "good".to_owned(),
        Err(error) => error.to_string(),
    };
    let instant = |seconds: Option<i64>| {
        seconds.and_then(|seconds| Timestamp::from_micros(seconds.checked_mul(1_000_000)?).ok())
    };
    let (issued_at, expires_at) = (instant(claims.issued_at), instant(Some(claims.expires_at)));
    if args.show.format == Format::Json {
        return print_json(&json!({
            "token_id": claims.id,
            "subject": claims.subject,
            "scopes": claims.scopes.words().collect::<Vec<_>>(),
            "component": claims.component,
            "issuer": claims.issuer,
            "key_id": header.key_id,
            "issued_at": issued_at,
            "expires_at": expires_at,
            "signature": signature,
            "time": time,
        }));
    }
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut text = String::new();
    for (name, value) in [
        ("Subject", claims.subject),
        ("Scopes", claims.scopes.to_string()),
        (
            "Component",
            claims
                .component
                .map_or("all".to_owned(), |name| name.to_string()),
        ),
        (
            "Issuer",
            or_none(claims.issuer.map(|name| name.to_string())),
        ),
        ("Issued", or_none(issued_at.map(|at| at.to_string()))),
        ("Expires", or_none(expires_at.map(|at| at.to_string()))),
        ("Token ID", or_none(claims.id)),
        ("Key", or_none(header.key_id)),
        ("Signature", signature),
        ("Time", time),
    ] {
        text.push_str(&format!("{name:<10} {}\n", for_line(&value)));
    }
    print(&text)
}

fn no_token(error: &TokenError) -> Failure {
    Failure::new(
        ExitStatus::Failed,
        "that is no token that a server would take",
    )
    .because(error)
}
