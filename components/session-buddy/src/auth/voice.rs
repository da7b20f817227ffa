//! For whose sessions somebody speaks.

use session_model::{
    ComponentName, Session, SessionStartEvent,
    fold::{Accepted, Origin},
};

/// For whose sessions somebody speaks: who may begin, renew, end and close them. A session belongs to whoever began it, by
/// the best that the ledger knows of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Of this component alone.
    component: Option<ComponentName>,
    /// Only for its own.
    own: Option<Own>,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    subject: Option<String>,
    origin: Origin,
}

impl Voice {
    /// Speaks for everybody, of one component if there is one.
    pub const fn of_all(component: Option<ComponentName>) -> Self {
        Self {
            component,
            own: None,
        }
    }

    /// Speaks for its own sessions, of one component if there is one.
    pub const fn of_own(
        subject: Option<String>,
        origin: Origin,
        component: Option<ComponentName>,
    ) -> Self {
        Self {
            component,
            own: Some(Own { subject, origin }),
        }
    }

    /// Tells whether it speaks for every session there is.
    pub const fn speaks_for_everybody(&self) -> bool {
        self.component.is_none() && self.own.is_none()
    }

    /// Gives the one component that it speaks of; none where it speaks of all.
    pub const fn component(&self) -> Option<&ComponentName> {
        self.component.as_ref()
    }

    /// Tells whether it may begin a session.
    pub fn may_begin(&self, start: &SessionStartEvent) -> bool {
        let bound = self.component.as_ref();
        bound.is_none_or(|bound| *bound == start.component_name)
    }

    /// Tells whether it may speak for a session. One that was imported is nobody's own: who began it is only told.
    pub fn may_speak_for(&self, session: &Session) -> bool {
        let own = self.own.as_ref();
        self.may_begin(&session.started().event)
            && own.is_none_or(|own| !session.is_imported() && own.began(session.start()))
    }
}

impl Own {
    /// Tells whether it began a session. What is known of the start must be known of the caller too: a token's subject;
    /// without a token the user id; where the kernel was not asked for that, the address.
    fn began(&self, start: &Accepted) -> bool {
        let origin = start.origin.as_ref();
        match (&start.subject, origin.and_then(|origin| origin.uid)) {
            (Some(subject), _) => self.is_called(subject),
            // A token decides: its bearer may come by a proxy that is somebody else's process.
            (None, Some(uid)) => self.subject.is_none() && self.origin.uid == Some(uid),
            // Any user of its machine can have begun it, so any of them may end it.
            (None, None) => origin.is_some_and(|origin| {
                origin.transport == self.origin.transport && origin.address == self.origin.address
            }),
        }
    }

    /// A name that is proved is as good as the same name that was only claimed, and not the other way round.
    fn is_called(&self, subject: &str) -> bool {
        self.subject
            .as_deref()
            .is_some_and(|own| own == subject || subject.strip_prefix("claimed:") == Some(own))
    }
}
