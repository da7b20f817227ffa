//! How a session is shown: in JSON, as a row of CSV, as a row of table `sessions`.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    field::{Field, model},
    fold::Counters,
    text::{Metadata, Number},
    timestamp::Timestamp,
    words::{
        ActorKind, EndKnownBy, ExitReason, Liveness, LoginNameSource, SessionStatus, Transport,
    },
};

model! {
    /// A time in which a session was presumed lost and then proved alive.
    pub struct Gap {
        /// Last proof of life before it.
        required from: Timestamp,
        /// The proof of life that ended it.
        required to: Timestamp,
    }
}

model! {
    /// One session, everything that is known of it. The keys are in the order of the columns of CSV.
    pub struct SessionRecord {
        /// Id of the session.
        required session_id: String,
        /// The kind of session, such as `admin_shell`.
        required session_type: String,
        /// The component whose shell it is.
        required component_name: String,
        /// The kind of shell.
        required shell_type: String,
        /// How it stands.
        required status: SessionStatus,
        /// How sure it is that it lives; null unless active.
        nullable liveness: Liveness,
        /// Account name, as sent.
        required username: String,
        /// Host, as sent.
        required hostname: String,
        /// Process id, as sent.
        required pid: i64,
        /// Platform, as sent.
        required platform: String,
        /// Version of Python, as sent.
        required python_version: String,
        /// Working directory, as sent.
        required working_directory: String,
        /// When it began, by the sender's clock.
        required start_time: Timestamp,
        /// When it ended; null while active.
        nullable end_time: Timestamp,
        /// How long it ran, whole seconds rounded down; while active how long it has run, and null in SQL.
        nullable duration_seconds: i64,
        /// How its end is known; null while active.
        nullable end_known_by: EndKnownBy,
        /// Whether its end is an estimate.
        required end_estimated: bool,
        /// Of an estimate: the last proof of life.
        nullable end_earliest: Timestamp,
        /// Of an estimate: when it was made.
        nullable end_latest: Timestamp,
        /// Who closed it, or reported for it.
        nullable closed_by: String,
        /// How it came to its end, in its own words.
        nullable exit_reason: ExitReason,
        /// Its exit code.
        nullable exit_code: i64,
        /// How many commands it ran; null where its sender does not count.
        nullable command_count: i64,
        /// How many of them failed; null where its sender does not count.
        nullable error_count: i64,
        /// Whether any failed, or it ended by an error or a panic.
        required error_occurred: bool,
        /// The last error.
        nullable error_message: String,
        /// 0 to 100, null while active: 100 - 40 x share of commands that failed - 30 if its end was not reported
        /// - 30 x min(1, width of the estimate / 600 s).
        nullable quality_score: Number,
        /// `metadata.project`, else the last part of `metadata.project_root`.
        nullable project: String,
        /// Why the shell was opened.
        nullable reason: String,
        /// The session from which it was opened.
        nullable parent_session_id: String,
        /// Who sits at it.
        nullable actor_kind: ActorKind,
        /// Name of the program that sits at it.
        nullable actor_name: String,
        /// Who logged in, where that is another name.
        nullable login_name: String,
        /// Where `login_name` comes from.
        nullable login_name_source: LoginNameSource,
        /// Its terminal.
        nullable tty: String,
        /// Where its user is logged in from.
        nullable remote_address: String,
        /// What it is written in.
        nullable runtime: String,
        /// Home directory, as sent.
        nullable user_home: String,
        /// How its start reached the server, as verified by the server.
        required origin_transport: Transport,
        /// From which address; null where the transport has none.
        nullable origin_address: String,
        /// From which user id; null where the transport has none.
        nullable origin_uid: i64,
        /// The subject of the token that came with it.
        nullable token_subject: String,
        /// Id of its start event.
        required event_id: String,
        /// Receipt of its start.
        required created_at: Timestamp,
        /// Receipt minus `sent_at`, in seconds; null without `sent_at`.
        nullable skew_seconds: f64,
        /// Receipt of the last proof of life.
        required last_seen: Timestamp,
        /// Times in which it was presumed lost and then proved alive.
        required gaps: Vec<Gap>,
        /// What its start carried.
        required metadata: Metadata,
        /// What its end carried.
        required end_metadata: Metadata,
    }
}

/// A session that is silent for this long is stale, unless somebody wants it otherwise: 24 hours.
pub const STALE_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// What a server knows of the life of an active session beyond its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofOfLife {
    /// Its process is watched, or its lease runs.
    Given,
    /// Neither.
    None {
        /// How long it may be silent before it is stale.
        stale_after: Duration,
    },
    /// No server was asked.
    NotAsked,
}

impl ProofOfLife {
    /// Tells how sure it is that an active session lives which was heard of last at a time.
    pub fn liveness(self, last_seen: Timestamp, now: Timestamp) -> Liveness {
        let micros = now.micros_since(last_seen);
        let silence = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        match self {
            Self::Given => Liveness::Live,
            Self::None { stale_after } if silence >= stale_after => Liveness::Stale,
            Self::None { .. } | Self::NotAsked => Liveness::Unknown,
        }
    }
}

/// Tells when a session began by the server's clock: at the receipt of its start, less the start's age at that time. The age
/// is taken by the sender's clock where it sent `sent_at`, so that a wrong clock there does not matter.
pub fn began(start_time: Timestamp, created_at: Timestamp, skew_seconds: Option<f64>) -> Timestamp {
    let age = created_at.micros_since(start_time) - skew_seconds.map_or(0, micros_of_seconds);
    created_at.saturating_add(SignedDuration::from_micros(-age.max(0)))
}

impl SessionRecord {
    /// Gives the record as it stands at `now`: of an active session the time it has run and its liveness.
    #[must_use]
    pub fn as_of(mut self, now: Timestamp, proof: ProofOfLife) -> Self {
        if self.status == SessionStatus::Active {
            self.duration_seconds = Some(self.elapsed_micros(now) / 1_000_000);
            self.liveness = Some(proof.liveness(self.last_seen, now));
        }
        self
    }

    /// Takes in what heartbeats said since the record was written.
    pub fn hear(&mut self, last_seen: Timestamp, counters: Counters) {
        let before = Counters {
            command_count: self.command_count,
            error_count: self.error_count,
            last_error: self.error_message.take(),
        };
        let Counters {
            command_count,
            error_count,
            last_error,
        } = before.join(counters);
        self.last_seen = last_seen;
        self.error_occurred |= error_count.is_some_and(|count| count > 0);
        self.command_count = command_count;
        self.error_count = error_count;
        self.error_message = last_error;
    }

    /// Tells whether two records say the same of a session but for what its heartbeats feed, which no ledger holds.
    #[must_use]
    pub fn tells_the_same_as(&self, other: &Self) -> bool {
        let mut fed_alike = other.clone();
        fed_alike.last_seen = self.last_seen;
        if self.status == SessionStatus::Active {
            fed_alike.command_count = self.command_count;
            fed_alike.error_count = self.error_count;
            fed_alike.error_occurred = self.error_occurred;
            fed_alike.error_message.clone_from(&self.error_message);
        }
        *self == fed_alike
    }

    /// Names the keys in which two records differ.
    #[must_use]
    pub fn keys_that_differ(&self, other: &Self) -> Vec<&'static str> {
        let values = |record| serde_json::to_value(record).expect("models have text keys");
        let (own, others) = (values(self), values(other));
        let keys = <Self as crate::field::Keyed>::KEYS.iter().copied();
        keys.filter(|key| own[key] != others[key]).collect()
    }

    /// Server time since receipt of the start plus the start's age at receipt.
    fn elapsed_micros(&self, now: Timestamp) -> i64 {
        let since = began(self.start_time, self.created_at, self.skew_seconds);
        now.max(self.created_at).micros_since(since)
    }
}

/// Rounds seconds to microseconds, within the bounds of `i64`.
pub(crate) fn micros_of_seconds(seconds: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates, which is what is wanted"
    )]
    let micros = (seconds * 1e6).round() as i64;
    micros
}

#[expect(
    clippy::cast_precision_loss,
    reason = "10,000 years in microseconds need 59 bits, shown to 53"
)]
pub(crate) fn seconds_of_micros(micros: i64) -> f64 {
    micros as f64 / 1e6
}

impl Field for i64 {
    fn read(
        value: &serde_json::Value,
        at: crate::field::Place<'_>,
        errors: &mut crate::FieldErrors,
    ) -> Option<Self> {
        crate::Integer::<{ Self::MIN }, { Self::MAX }>::read(value, at, errors)
            .map(crate::Integer::get)
    }
}
