//! What administrators did, and what was refused to them: records that are about no session.

use serde_json::Value;

use crate::{
    field::{Field, model},
    fold::{
        Fact, Origin,
        payload::{PayloadError, origin_of, payload_of, problem},
    },
    id::SessionId,
    timestamp::Timestamp,
    words::{ActName, Transport},
};

model! {
    /// What was done.
    pub struct Deed {
        /// Its kind.
        required act: ActName,
        /// The token that it is about.
        optional token_id: String,
        /// What it was about: of a refusal, the route or tool; of a violation, the session.
        optional what: String,
        /// Of a refusal, its code; of a violation, the rules.
        optional code: String,
        /// Why it was done.
        optional reason: String,
    }
}

impl Deed {
    /// Makes a deed of which nothing is said but its kind.
    pub const fn new(act: ActName) -> Self {
        Self {
            act,
            token_id: None,
            what: None,
            code: None,
            reason: None,
        }
    }
}

/// An act that was recorded: what was done, by whom, and how the server knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// When the server received it.
    pub received_at: Timestamp,
    /// How it came.
    pub origin: Origin,
    /// The subject of the token that came with it.
    pub subject: Option<String>,
    /// What was done.
    pub deed: Deed,
}

impl Act {
    /// Writes the payload: the exact bytes that the ledger hashes.
    pub fn payload(&self) -> Vec<u8> {
        let deed = serde_json::to_value(&self.deed).expect("models have text keys");
        payload_of(
            deed,
            Value::Null,
            Some(&self.origin),
            self.subject.as_deref(),
        )
    }

    /// Reads a payload back.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or not what a record of an act holds.
    pub fn from_payload(received_at: Timestamp, payload: &[u8]) -> Result<Self, PayloadError> {
        let parts: Value = serde_json::from_slice(payload)?;
        Ok(Self {
            received_at,
            origin: origin_of(&parts["origin"])?.ok_or_else(|| problem("origin", "required"))?,
            subject: Field::from_json(&parts["subject"])?,
            deed: Deed::from_json(&parts["event"])?,
        })
    }
}

model! {
    /// An act as it is listed. The keys are in the order of the columns.
    pub struct ActRecord {
        /// Its number in the ledger.
        required seq: i64,
        /// When the server received it.
        required at: Timestamp,
        /// What was done.
        required act: ActName,
        /// The session that it was done to.
        nullable session_id: String,
        /// Who did it: the subject of a token, or the user id that the kernel gives.
        required by: String,
        /// How it reached the server, as verified by the server.
        required origin_transport: Transport,
        /// From which address; null where the transport has none.
        nullable origin_address: String,
        /// From which user id; null where the transport has none.
        nullable origin_uid: i64,
        /// The subject of the token that came with it.
        nullable token_subject: String,
        /// The token that it is about.
        nullable token_id: String,
        /// What it was about.
        nullable what: String,
        /// Of a refusal: its code.
        nullable code: String,
        /// Why it was done.
        nullable reason: String,
    }
}

impl ActRecord {
    /// Lists an act.
    pub fn of(seq: i64, act: Act) -> Self {
        let Act {
            received_at,
            origin,
            subject,
            deed,
        } = act;
        Self {
            seq,
            at: received_at,
            act: deed.act,
            session_id: None,
            by: subject.clone().unwrap_or_else(|| origin.name()),
            origin_transport: origin.transport,
            origin_uid: origin.uid.map(i64::from),
            origin_address: origin.address,
            token_subject: subject,
            token_id: deed.token_id,
            what: deed.what,
            code: deed.code,
            reason: deed.reason,
        }
    }

    /// Lists a closure by hand; `None` where the record is another one.
    pub fn of_closure(seq: i64, id: &SessionId, closure: crate::fold::Accepted) -> Option<Self> {
        let Fact::ClosedByHand(by_hand) = closure.fact else {
            return None;
        };
        let act = Act {
            received_at: closure.received_at,
            origin: closure.origin?,
            subject: closure.subject,
            deed: Deed {
                reason: by_hand.reason,
                ..Deed::new(ActName::SessionClosed)
            },
        };
        Some(Self {
            session_id: Some(id.to_string()),
            by: by_hand.by,
            ..Self::of(seq, act)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_read_as_it_was_written() {
        let act = Act {
            received_at: "2026-02-06T22:05:00Z".parse().unwrap(),
            origin: Origin {
                transport: Transport::Tcp,
                address: Some("127.0.0.1".to_owned()),
                uid: None,
            },
            subject: Some("les".to_owned()),
            deed: Deed {
                token_id: Some("j".to_owned()),
                ..Deed::new(ActName::TokenRevoked)
            },
        };
        let payload = act.payload();
        insta::assert_snapshot!(
            String::from_utf8(payload.clone()).unwrap(),
            @r#"{"event":{"act":"token_revoked","token_id":"j"},"origin":{"address":"127.0.0.1","transport":"tcp"},"subject":"les"}"#
        );
        assert_eq!(Act::from_payload(act.received_at, &payload).unwrap(), act);
    }
}
