//! Who asks for something.

use std::sync::Arc;

use session_client::token::{Claims, Scopes};
use session_model::{ComponentName, fold::Origin};

use super::{Peer, Voice, peer::is_trusted};

/// Who asks for something: the other end of the connection, and the token that came with the request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The other end of the connection.
    pub peer: Peer,
    /// The token, which was verified.
    pub token: Option<Arc<Token>>,
}

/// What a token says that was verified, as far as the secret that made it may say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who has it; `claimed:` stands before the name where whoever made the token can make one for any name.
    pub subject: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// The one component that it is good for; none where it is good for all.
    pub component: Option<ComponentName>,
    /// Its id, by which it can be revoked.
    pub id: Option<String>,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
}

impl Token {
    /// Takes the claims of a token that the server's own secret made.
    pub(super) fn of_authority(claims: Claims) -> Self {
        Self {
            subject: claims.subject,
            scopes: claims.scopes,
            component: claims.component,
            id: claims.id,
            expires_at: claims.expires_at,
        }
    }

    /// Takes the claims of a token that the secret of all emitters made: it never has more than they need.
    pub(super) fn of_emitter(claims: Claims) -> Self {
        Self {
            subject: format!("claimed:{}", claims.subject),
            scopes: claims.scopes.within(Scopes::EMIT | Scopes::READ),
            component: claims.component,
            id: claims.id,
            expires_at: claims.expires_at,
        }
    }
}

impl Caller {
    /// Makes a caller without a token.
    pub const fn of(peer: Peer) -> Self {
        Self { peer, token: None }
    }

    /// Gives the subject of its token.
    pub fn subject(&self) -> Option<&str> {
        self.token.as_deref().map(|token| token.subject.as_str())
    }

    /// Gives the one component that it may speak for and read; none where there is no such bound.
    pub fn component(&self) -> Option<&ComponentName> {
        self.token.as_deref()?.component.as_ref()
    }

    /// Gives what the ledger says of where it is.
    pub fn origin(&self) -> Origin {
        self.peer.origin()
    }

    /// Gives a name for it, for the record of what it does.
    pub fn name(&self) -> String {
        self.subject()
            .map_or_else(|| self.origin().name(), str::to_owned)
    }

    /// Tells for whose sessions it speaks: an administrator for all, everybody else for its own. Without a token that is
    /// the kernel's word, as far as it was asked for.
    pub(super) fn voice(&self, trust_all: bool) -> Voice {
        let component = self.component().cloned();
        let administrates = match (&self.token, &self.peer) {
            (Some(token), _) => token.scopes.contain(Scopes::ADMIN),
            (None, peer) => trust_all || peer.known_owner().is_some_and(is_trusted),
        };
        if administrates {
            return Voice::of_all(component);
        }
        Voice::of_own(self.subject().map(str::to_owned), self.origin(), component)
    }
}
