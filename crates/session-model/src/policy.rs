//! What a team asks of the shells of a component, and whether a session keeps to it.
//!
//! A shell asks before it opens; a server judges what it has recorded. It never refuses a session for this: the shell was
//! open in fact, and an event that is refused is a session that nobody sees.

use std::{fmt, time::Duration};

use crate::{
    fold::Origin,
    record::SessionRecord,
    words::{SessionStatus, Violated},
};

/// What is asked of the shells of a component. Nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// A shell is opened for a reason.
    pub reason_required: bool,
    /// A shell opens only once its start is on record.
    pub fail_closed: bool,
    /// Who may open one, as `audit` names them: a token's subject, `uid 1000`, an address; `None` is anybody.
    pub allowed_subjects: Option<Vec<String>>,
    /// How long one may be open.
    pub max_duration: Option<Duration>,
}

/// A rule that a session breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Violated,
    /// How, for people.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Policy {
    /// Tells whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether what is given as a reason is none.
    pub fn lacks_reason(&self, reason: Option<&str>) -> bool {
        self.reason_required && reason.is_none_or(|reason| reason.trim().is_empty())
    }

    /// Tells whether somebody may open a shell. Who proves a name is as good as who only claims it, and not the reverse.
    pub fn allows(&self, subject: &str) -> bool {
        let allowed = self.allowed_subjects.as_ref();
        allowed.is_none_or(|allowed| {
            allowed
                .iter()
                .any(|name| name == subject || name.strip_prefix("claimed:") == Some(subject))
        })
    }

    /// Judges a start, by who is known to have sent it.
    pub fn judge_start(
        &self,
        reason: Option<&str>,
        subject: Option<&str>,
        origin: &Origin,
    ) -> Vec<Violation> {
        match subject {
            Some(subject) => self.of_start(reason, subject),
            None => self.of_start(reason, &origin.name()),
        }
    }

    /// Judges a session as it stands now: its start and, while it is open, how long it has been.
    pub fn judge(&self, record: &SessionRecord) -> Vec<Violation> {
        let origin = Origin {
            transport: record.origin_transport,
            address: record.origin_address.clone(),
            uid: record.origin_uid.and_then(|uid| u32::try_from(uid).ok()),
        };
        let (reason, subject) = (record.reason.as_deref(), record.token_subject.as_deref());
        let mut violations = self.judge_start(reason, subject, &origin);
        let open_seconds = record
            .duration_seconds
            .filter(|_| record.status == SessionStatus::Active)
            .and_then(|seconds| u64::try_from(seconds).ok());
        if let (Some(max), Some(seconds)) = (self.max_duration, open_seconds)
            && seconds > max.as_secs()
        {
            violations.push(Violation {
                rule: Violated::MaxDuration,
                message: format!(
                    "it is open for {seconds} s, and may be for {} s",
                    max.as_secs()
                ),
            });
        }
        violations
    }

    fn of_start(&self, reason: Option<&str>, by: &str) -> Vec<Violation> {
        let mut violations = Vec::new();
        if self.lacks_reason(reason) {
            violations.push(Violation {
                rule: Violated::ReasonRequired,
                message: "it was opened without a reason".to_owned(),
            });
        }
        if !self.allows(by) {
            violations.push(Violation {
                rule: Violated::AllowedSubjects,
                message: format!("{by} may not open it"),
            });
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_more_than_blanks() {
        let policy = Policy {
            reason_required: true,
            ..Policy::default()
        };
        for (reason, lacks) in [(None, true), (Some(" \t"), true), (Some("on call"), false)] {
            assert_eq!(policy.lacks_reason(reason), lacks, "{reason:?}");
            assert!(!Policy::default().lacks_reason(reason));
        }
    }

    #[test]
    fn a_proof_of_a_name_is_as_good_as_its_claim_and_not_the_reverse() {
        let policy = Policy {
            allowed_subjects: Some(vec!["ci".to_owned(), "claimed:les".to_owned()]),
            ..Policy::default()
        };
        for (subject, allowed) in [
            ("ci", true),
            ("claimed:ci", false),
            ("les", true),
            ("claimed:les", true),
            ("uid 0", false),
            ("", false),
        ] {
            assert_eq!(policy.allows(subject), allowed, "{subject}");
            assert!(Policy::default().allows(subject));
        }
        let nobody = Policy {
            allowed_subjects: Some(Vec::new()),
            ..Policy::default()
        };
        assert!(!nobody.allows("ci"));
    }
}
