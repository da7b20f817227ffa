//! `session-buddy token create`

use serde_json::json;
use session_client::{
    Clock,
    token::{Claims, Scopes},
};
use session_model::{ComponentName, Timestamp};
use uuid::Uuid;

use super::{ExitStatus, Failure, Format, Show, keys, print, print_json, seconds, signing};

/// The shortest life of a token, in seconds: 1 minute, as much as clocks may differ.
const TTL_SECONDS_MIN: i64 = 60;
/// The longest: 365 days.
const TTL_SECONDS_MAX: i64 = 365 * 86_400;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose token it is; the record names them so
    #[arg(long)]
    subject: String,
    /// What it may be used for: emit, read, admin, with commas between them
    #[arg(long, value_name = "SCOPES", default_value = "emit,read")]
    scope: Scopes,
    /// The one component that it is good for
    #[arg(long)]
    component: Option<ComponentName>,
    /// How long it is good, as 90s, 15m, 1h or 30d; 1m to 365d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: i64,
    #[command(flatten)]
    show: Show,
}

fn ttl(text: &str) -> Result<i64, String> {
    let seconds = seconds(text)?;
    if (TTL_SECONDS_MIN..=TTL_SECONDS_MAX).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("expected 1m to 365d".to_owned())
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let keys = keys()?;
    let secrets = signing(keys.as_ref())?;
    let now = Clock::system().now().as_micros().div_euclid(1_000_000);
    let id = Uuid::now_v7().to_string();
    let expires_at = now + args.ttl;
    let claims = Claims {
        component: args.component.clone(),
        issuer: "session-buddy".parse().ok(),
        id: Some(id.clone()),
        issued_at: Some(now),
        ..Claims::new(args.subject.clone(), args.scope, expires_at)
    };
    // As every server will read it.
    let wrong = |error| Failure::new(ExitStatus::Usage, format!("no token can say this: {error}"));
    Claims::read(&claims.to_json()).map_err(wrong)?;
    let token = secrets.sign(&claims);
    match args.show.format {
        Format::Table => print(&format!("{token}\n")),
        Format::Json => print_json(&json!({
            "token": token,
            "token_id": id,
            "subject": args.subject,
            "scopes": args.scope.words().collect::<Vec<_>>(),
            "component": args.component,
            "expires_at": Timestamp::from_micros(expires_at * 1_000_000).ok(),
        })),
    }
}
