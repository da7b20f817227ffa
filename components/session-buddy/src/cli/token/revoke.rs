//! `session-buddy token revoke`

use std::io::{Write, stdout};

use session_client::token::{Claims, insecure_read};
use session_model::{Text, escape::for_line};

use super::{ExitStatus, Failure, named_or_read};
use crate::cli::source::SourceArgs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id, or the token itself; - reads it from standard input
    #[arg(value_name = "ID")]
    id: String,
    /// Why, at most 500 characters
    #[arg(long, value_parser = |text: &str| Text::<500>::new(text))]
    reason: Option<Text<500>>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let named = named_or_read(&args.id).map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    let id = id(named)?;
    let mut source = args.source.to_write().await?;
    source.revoke_token(&id, args.reason.as_ref()).await?;
    source.close().await?;
    writeln!(stdout(), "{}: revoked", for_line(&id)).map_err(Failure::writing)
}

/// Gives the id that was named, or that of the token that was.
fn id(named: String) -> Result<String, Failure> {
    let Ok((_, claims)) = insecure_read(&named) else {
        if named.is_empty() || named.chars().count() > 200 || named.chars().any(char::is_control) {
            return Err(Failure::new(
                ExitStatus::Usage,
                "that is neither a token nor the id of one",
            ));
        }
        return Ok(named);
    };
    let claims = Claims::read(&claims);
    claims.ok().and_then(|claims| claims.id).ok_or_else(|| {
        let message = "this token has no id (jti), so it cannot be told from others";
        Failure::new(ExitStatus::Failed, message)
            .hint("it ends with its time, or when the secret that made it leaves the server's list")
    })
}
