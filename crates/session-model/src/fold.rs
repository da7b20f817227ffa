//! What a session is: the fold of its accepted ledger records.
//!
//! # The law
//!
//! A [`Session`] is a function of the *set* of its accepted records, not of their order. Each record claims a state;
//! the strongest claim stands:
//!
//! 1. presumed lost and alive again, by rounds: a presumption names how many revivals came before it (its round), a
//!    revival names the round that it undoes, so that `lost 0 < alive 1 < lost 1 < alive 2 < ...` needs no clock;
//! 2. proved lost: its process is gone, its host restarted;
//! 3. closed by hand;
//! 4. ended by its own report.
//!
//! Who accepts records (the server's tracker) takes only a claim that is stronger than what stands, so the ledger holds
//! at most one of each. Should two of one strength meet all the same, the one received first stands.

mod facts;
mod imported;
pub(crate) mod payload;
mod record;

use std::cmp::Reverse;

use crate::{id::SessionId, record::Gap, timestamp::Timestamp, words::LossCause};

pub use facts::{Accepted, ByHand, Counters, Fact, Loss, Origin, Report, Revival, Started, Vitals};
pub use imported::Imported;
pub use payload::{Kind, PayloadError};

/// Where a session stands. What belongs to a state lives in it.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionState {
    /// No end is known.
    Active,
    /// It reported its end.
    Ended(Box<Report>),
    /// Somebody closed it; replaced by its own report.
    Closed {
        /// The moment of the act.
        at: Timestamp,
        /// The act.
        act: Box<ByHand>,
    },
    /// It is gone without a report; its end is an estimate.
    Lost {
        /// When that was concluded.
        closed_at: Timestamp,
        /// The conclusion.
        loss: Box<Loss>,
    },
}

/// How strong a claim is. Derived order: the variants from weak to strong, the first also by its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Alive after `n` revivals is step `2n`, presumed lost after them step `2n + 1`.
    Presumed(u64),
    /// Its process is gone, or its host restarted.
    Proved,
    /// Somebody closed it.
    ByHand,
    /// Its own report.
    Reported,
}

impl Strength {
    const fn alive(revivals: u32) -> Self {
        Self::Presumed(2 * revivals as u64)
    }

    const fn lost(cause: LossCause, round: u32) -> Self {
        match cause {
            LossCause::LeaseExpired => Self::Presumed(2 * round as u64 + 1),
            LossCause::ProcessGone | LossCause::HostRestarted => Self::Proved,
        }
    }
}

/// A session: everything that its accepted records say.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    id: SessionId,
    start: Accepted,
    state: SessionState,
    strength: Strength,
    decided_at: Timestamp,
    /// By round.
    gaps: Vec<(u32, Gap)>,
    /// It was not seen to begin.
    imported: bool,
}

impl Session {
    /// Begins a session; `None` where the record is neither a start nor an import.
    pub fn begin(start: Accepted) -> Option<Self> {
        let started = match start.fact {
            Fact::Imported(imported) => return Some(imported.into_session()),
            Fact::Start(ref started) => started,
            Fact::Ended(_) | Fact::Lost(_) | Fact::ClosedByHand(_) | Fact::Revived(_) => {
                return None;
            }
        };
        Some(Self {
            id: started.event.session_id(),
            decided_at: start.received_at,
            start,
            state: SessionState::Active,
            strength: Strength::alive(0),
            gaps: Vec::new(),
            imported: false,
        })
    }

    /// Folds a set of records, in any order; `None` where none begins a session.
    pub fn fold(records: impl IntoIterator<Item = Accepted>) -> Option<Self> {
        let (starts, others): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|record| record.fact.kind().begins_a_session());
        let mut session = Self::begin(starts.into_iter().min_by_key(|start| start.received_at)?)?;
        for record in others {
            session.accept(record);
        }
        Some(session)
    }

    /// Takes one more record into account. Records can come in any order; a weaker claim than what stands changes
    /// nothing but the gaps.
    pub fn accept(&mut self, record: Accepted) {
        let Accepted {
            received_at, fact, ..
        } = record;
        let (strength, state) = match fact {
            // A session has one start; another one is refused before it gets here.
            Fact::Start(_) | Fact::Imported(_) => return,
            Fact::Revived(revival) => {
                let Revival { round, gap, .. } = *revival;
                if let Err(place) = self.gaps.binary_search_by_key(&round, |(round, _)| *round) {
                    self.gaps.insert(place, (round, gap));
                }
                (Strength::alive(round + 1), SessionState::Active)
            }
            Fact::Lost(loss) => (
                Strength::lost(loss.cause, loss.round),
                SessionState::Lost {
                    closed_at: received_at,
                    loss,
                },
            ),
            Fact::ClosedByHand(act) => (
                Strength::ByHand,
                SessionState::Closed {
                    at: received_at,
                    act,
                },
            ),
            Fact::Ended(report) => (Strength::Reported, SessionState::Ended(report)),
        };
        if (strength, Reverse(received_at)) > (self.strength, Reverse(self.decided_at)) {
            self.strength = strength;
            self.state = state;
            self.decided_at = received_at;
        }
    }

    /// Gives its start.
    pub fn started(&self) -> &Started {
        match &self.start.fact {
            Fact::Start(started) => started,
            Fact::Ended(_)
            | Fact::Lost(_)
            | Fact::ClosedByHand(_)
            | Fact::Revived(_)
            | Fact::Imported(_) => {
                unreachable!("a session begins with a start, see `begin`")
            }
        }
    }

    /// Gives the record of its start.
    pub const fn start(&self) -> &Accepted {
        &self.start
    }

    /// Tells whether all that is known of its start is what somebody imported: nothing of that was verified here.
    pub const fn is_imported(&self) -> bool {
        self.imported
    }

    /// Gives its id.
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// Gives its state.
    pub const fn state(&self) -> &SessionState {
        &self.state
    }

    /// Gives the strength of the claim that stands.
    pub const fn strength(&self) -> Strength {
        self.strength
    }

    /// Counts the presumptions of its loss that were undone.
    pub fn rounds(&self) -> u32 {
        self.gaps.last().map_or(0, |(round, _)| round + 1)
    }

    /// Gives the receipt of its start.
    pub const fn received_at(&self) -> Timestamp {
        self.start.received_at
    }
}
