//! The secrets of a server.

use std::ffi::OsString;

use session_client::token::{Claims, EMITTERS_SECRET, SECRET, SecretError, Secrets, TokenError};
use session_model::Timestamp;

use super::Token;

/// The secrets of a server. Where only one of the two is set it is the server's own, whichever it is.
#[derive(Clone, Debug)]
pub struct Keys {
    authority: Secrets,
    emitters: Option<Secrets>,
}

/// Why the secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// One of them is wrong.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Both are the same.
    #[error(
        "{SECRET} and {EMITTERS_SECRET} have a secret in common, so every emitter could do everything"
    )]
    Shared,
}

impl Keys {
    /// Reads the secrets; none where neither is set.
    ///
    /// # Errors
    ///
    /// The first that is wrong, by the name of its variable.
    pub fn from_environment(
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, KeysError> {
        let own = Secrets::from_environment(SECRET, variable)?;
        let emitters = Secrets::from_environment(EMITTERS_SECRET, variable)?;
        Ok(match (own, emitters) {
            (Some(own), Some(emitters)) if own.share_one_with(&emitters) => {
                return Err(KeysError::Shared);
            }
            (Some(authority), emitters) => Some(Self {
                authority,
                emitters,
            }),
            (None, Some(only)) => Some(Self {
                authority: only,
                emitters: None,
            }),
            (None, None) => None,
        })
    }

    /// Gives the variable of the server's own secret.
    pub fn variable(&self) -> &str {
        self.authority.variable()
    }

    /// Gives the server's own secrets, which make tokens of every kind.
    pub const fn authority(&self) -> &Secrets {
        &self.authority
    }

    /// Says which secrets are in force, for people.
    pub fn describe(&self) -> String {
        let own = self.authority.variable();
        match &self.emitters {
            Some(emitters) => format!(
                "TCP takes tokens: those of {own} do what they say, those of {} report and read",
                emitters.variable()
            ),
            None => format!("TCP takes tokens: those of {own} do what they say"),
        }
    }

    /// Gives the variable whose secret made a token; none where none did.
    pub fn made(&self, token: &str) -> Option<&str> {
        let mut lists = [Some(&self.authority), self.emitters.as_ref()]
            .into_iter()
            .flatten();
        lists
            .find(|secrets| secrets.verify(token).is_ok())
            .map(Secrets::variable)
    }

    /// Verifies a token.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Token, TokenError> {
        let (claims, made): (_, fn(Claims) -> Token) = match self.authority.verify(token) {
            Ok(claims) => (claims, Token::of_authority),
            Err(TokenError::Signature) => {
                let emitters = self.emitters.as_ref().ok_or(TokenError::Signature)?;
                (emitters.verify(token)?, Token::of_emitter)
            }
            Err(error) => return Err(error),
        };
        let claims = Claims::read(&claims)?;
        claims.check_time(now)?;
        Ok(made(claims))
    }
}
