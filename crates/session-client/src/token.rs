//! Tokens: JSON Web Tokens signed with HS256, and the secrets that sign them.
//!
//! Who holds a secret makes tokens ([`Secrets::sign`]); who serves verifies them ([`Secrets::verify`]) and reads what they
//! claim ([`Claims`]). What a claim allows is the server's to say.

mod claims;
mod hs256;
mod secrets;

use session_model::Timestamp;

pub use claims::{AUDIENCE, Claims, LEEWAY_SECONDS, Scopes, UnknownScope, time_left};
pub use hs256::{Header, insecure_read};
pub use secrets::{EMITTERS_SECRET, SECRET, SecretError, Secrets, lookup};

/// Tells whether a name can stand in a token as its subject.
pub fn is_subject(name: &str) -> bool {
    claims::check_subject(name).is_ok()
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token, or one of another kind.
    #[error("it is no JSON Web Token signed with HS256")]
    Malformed,
    /// Its header asks for something that is not known here.
    #[error("its header wants something that is not known here (crit)")]
    Critical,
    /// None of the secrets made it.
    #[error("it was not made with a secret of this server")]
    Signature,
    /// It says something that cannot be, or leaves out what it must say.
    #[error("its claim {claim} {problem}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Its time is over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("it is not valid before {0}")]
    NotYet(Timestamp),
}
