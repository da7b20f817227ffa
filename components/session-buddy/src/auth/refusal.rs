//! Why somebody may not do something, and how often that was said.

use std::sync::atomic::{AtomicU64, Ordering};

use session_client::token::TokenError;
use session_model::{ComponentName, ErrorCode, SessionId};

use super::Right;

/// A caller may not do what it wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a user on the Unix socket who is neither the server's nor root.
    #[error("user id {0} may not use this socket: it belongs to another user")]
    OtherUser(u32),
    /// It is not proved to be the server's user.
    #[error(
        "reading and closing sessions over TCP needs a connection of the server's own user; \
         use the Unix socket or the command line as that user"
    )]
    NotOwner,
    /// It is not on this machine.
    #[error("only callers on this machine are served")]
    Remote,
    /// It has no token.
    #[error(
        "Authentication failed: Token required ({0} is set); send it as `Authorization: Bearer` or as the argument `token`"
    )]
    TokenRequired(String),
    /// What it sent is no token at all.
    #[error("Authentication failed: Invalid token: {0}")]
    NoToken(&'static str),
    /// Its token is wrong.
    #[error("Authentication failed: Invalid token: {0}")]
    Token(TokenError),
    /// Its token has expired.
    #[error("Authentication failed: Token has expired: {0}")]
    Expired(TokenError),
    /// Its token was revoked.
    #[error("Authentication failed: Token was revoked; ask for another one")]
    Revoked,
    /// Its token does not say that it may.
    #[error("the token of {subject} does not allow it: it takes scope {}", right.as_str())]
    MayNot {
        /// Whose token.
        subject: String,
        /// What would be needed.
        right: Right,
    },
    /// Its token is for one component, and it wants something of all.
    #[error("the token is for component {0} alone")]
    Bound(ComponentName),
    /// The session is somebody else's.
    #[error(
        "session {0} was begun by somebody else, and only an administrator may speak for others"
    )]
    NotYours(SessionId),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired(_) => Self::Expired(error),
            TokenError::Malformed
            | TokenError::Critical
            | TokenError::Signature
            | TokenError::Claim { .. }
            | TokenError::NotYet(_) => Self::Token(error),
        }
    }
}

impl Refusal {
    /// Gives the stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TokenRequired(_) => ErrorCode::TokenRequired,
            Self::NoToken(_) | Self::Token(_) => ErrorCode::TokenInvalid,
            Self::Expired(_) => ErrorCode::TokenExpired,
            Self::Revoked => ErrorCode::TokenRevoked,
            Self::OtherUser(_)
            | Self::NotOwner
            | Self::Remote
            | Self::MayNot { .. }
            | Self::Bound(_)
            | Self::NotYours(_) => ErrorCode::Forbidden,
        }
    }

    /// Tells whether somebody tried a token that is not good.
    pub const fn is_of_bad_token(&self) -> bool {
        matches!(
            self,
            Self::NoToken(_) | Self::Token(_) | Self::Expired(_) | Self::Revoked
        )
    }

    /// Tells whether a better token could help whoever has none or a bad one.
    pub fn wants_token(&self) -> bool {
        self.code() != ErrorCode::Forbidden
    }
}

/// How often something was refused, by code.
#[derive(Debug, Default)]
pub struct Refusals {
    token_required: AtomicU64,
    token_invalid: AtomicU64,
    token_expired: AtomicU64,
    token_revoked: AtomicU64,
    forbidden: AtomicU64,
}

impl Refusals {
    /// Counts a refusal.
    pub(super) fn count(&self, refusal: &Refusal) {
        let counter = match refusal.code() {
            ErrorCode::TokenRequired => &self.token_required,
            ErrorCode::TokenInvalid => &self.token_invalid,
            ErrorCode::TokenExpired => &self.token_expired,
            ErrorCode::TokenRevoked => &self.token_revoked,
            _ => &self.forbidden,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives the counts, each with its code.
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                ErrorCode::TokenRequired.as_str(),
                read(&self.token_required),
            ),
            (ErrorCode::TokenInvalid.as_str(), read(&self.token_invalid)),
            (ErrorCode::TokenExpired.as_str(), read(&self.token_expired)),
            (ErrorCode::TokenRevoked.as_str(), read(&self.token_revoked)),
            (ErrorCode::Forbidden.as_str(), read(&self.forbidden)),
        ]
    }
}
