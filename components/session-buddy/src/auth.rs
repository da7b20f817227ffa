//! Who may do what: everything that decides it is here.
//!
//! A connection is a [`Peer`]: who is at its other end, as the kernel tells it. With the token that came with a request it
//! becomes a [`Caller`]. The [`Gate`] says whether a caller may pass, by the table of what each route and tool needs
//! ([`routes`]), and a [`Voice`] says for whose sessions it speaks. Handlers hold no rule.
//!
//! - On the Unix socket there are only the server's own user and root. They may do everything, secret or not.
//! - Over TCP, without a secret: any user of this machine may report; to read and to close takes a connection that the kernel
//!   says is the server's own user's. With a secret: a token for everything that needs a right.
//! - A token that was presented decides, also where none was needed.

mod caller;
mod gate;
mod keys;
mod peer;
mod refusal;
pub mod routes;
pub(crate) mod socket_owner;
mod voice;

use session_client::token::Scopes;

pub use caller::{Caller, Token};
pub use gate::{Gate, Trust};
pub use keys::{Keys, KeysError};
pub use peer::{Forwarded, Peer, TcpPeer};
pub use refusal::{Refusal, Refusals};
pub use routes::Needs;
pub use voice::Voice;

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Report what happens.
    Emit,
    /// Read sessions.
    Read,
    /// Close sessions of others, revoke tokens, and all the rest.
    Admin,
}

impl Right {
    /// Gives the word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Gives what a token must claim for it.
    const fn scopes(self) -> Scopes {
        match self {
            Self::Emit => Scopes::EMIT,
            Self::Read => Scopes::READ,
            Self::Admin => Scopes::ADMIN,
        }
    }
}
