//! Sums over sessions.

use session_model::SessionStatus;

use super::{Facts, QUARTER_MICROS, QUARTERS_PER_DAY, Tally, lengths, packed};

/// Sums over sessions. All of it but `last_start` can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// All.
    pub sessions: i64,
    /// Those that are active.
    pub active: i64,
    /// Those that are lost.
    pub lost: i64,
    /// Those in which something failed.
    pub failed: i64,
    /// How long the closed ones ran. It wraps around, so that what is taken back is what was added, whatever was sent.
    pub seconds: i64,
    /// Quality of the closed ones, in billionths, because sums of fractions depend on their order.
    pub quality_nanos: i64,
    /// The latest start, microseconds since 1970.
    pub last_start: Option<i64>,
    /// The closed ones by their length, in the buckets of [`lengths`].
    pub lengths: Tally,
    /// All by the quarter of their UTC day in which they began.
    pub quarters: Tally,
}

impl Aggregate {
    /// Adds a session.
    pub fn add(&mut self, facts: &Facts) {
        let start = facts.start_time.as_micros();
        self.last_start = self.last_start.max(Some(start));
        self.count(facts, 1);
    }

    /// Takes a session back that was added, to add it again as it stands now.
    pub fn take_back(&mut self, facts: &Facts) {
        self.count(facts, -1);
    }

    fn count(&mut self, facts: &Facts, sign: i64) {
        self.sessions += sign;
        match facts.status {
            SessionStatus::Active => self.active += sign,
            SessionStatus::Lost => self.lost += sign,
            SessionStatus::Ended => {}
        }
        self.failed += sign * i64::from(facts.failed);
        if let Some(seconds) = facts.seconds {
            self.seconds = self.seconds.wrapping_add(sign.wrapping_mul(seconds));
            self.lengths.add(lengths::bucket(seconds), sign);
        }
        if let Some(quality) = facts.quality {
            self.quality_nanos += sign * nanos(quality);
        }
        self.quarters.add(quarter_of_day(facts), sign);
    }

    /// Adds other sums.
    pub fn add_all(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.active += other.active;
        self.lost += other.lost;
        self.failed += other.failed;
        self.seconds = self.seconds.wrapping_add(other.seconds);
        self.quality_nanos += other.quality_nanos;
        self.last_start = self.last_start.max(other.last_start);
        self.lengths.add_all(&other.lengths, 1);
        self.quarters.add_all(&other.quarters, 1);
    }

    /// Writes sums of at least one session. The latest start is told from `origin` on, to be short.
    pub fn pack(&self, origin: i64, bytes: &mut Vec<u8>) {
        let last_start = self.last_start.expect("it is of some session");
        for number in [
            self.sessions,
            self.active,
            self.lost,
            self.failed,
            self.seconds,
            self.quality_nanos,
            last_start - origin,
        ] {
            packed::put_signed(bytes, number);
        }
        for tally in [&self.lengths, &self.quarters] {
            let tally = tally.to_bytes();
            packed::put(bytes, tally.len() as u64);
            bytes.extend(tally);
        }
    }

    /// Reads what [`Self::pack`] wrote and goes on behind it; `None` of anything else.
    pub fn unpack(origin: i64, bytes: &mut &[u8]) -> Option<Self> {
        let mut number = || packed::take_signed(bytes);
        let (sessions, active, lost) = (number()?, number()?, number()?);
        let (failed, seconds, quality_nanos) = (number()?, number()?, number()?);
        let last_start = Some(number()?.checked_add(origin)?);
        let mut tally = || {
            let length = packed::take(bytes)?;
            Tally::from_bytes(packed::take_bytes(bytes, length)?)
        };
        Some(Self {
            sessions,
            active,
            lost,
            failed,
            seconds,
            quality_nanos,
            last_start,
            lengths: tally()?,
            quarters: tally()?,
        })
    }

    /// Gives how many are closed.
    pub const fn closed(&self) -> i64 {
        self.sessions - self.active
    }

    /// Gives the mean length of the closed ones; `None` where there are none.
    pub fn mean_seconds(&self) -> Option<f64> {
        mean(self.seconds, self.closed())
    }

    /// Gives the mean quality of the closed ones, 0 to 100; `None` where there are none.
    pub fn mean_quality(&self) -> Option<f64> {
        mean(self.quality_nanos, self.closed()).map(|nanos| nanos / NANOS)
    }

    /// Gives the share in which something failed, 0 to 100.
    pub fn error_rate(&self) -> f64 {
        mean(self.failed * 100, self.sessions).unwrap_or_default()
    }
}

const NANOS: f64 = 1e9;

fn nanos(quality: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a quality is 0 to 100")]
    let nanos = (quality * NANOS).round() as i64;
    nanos
}

#[expect(clippy::cast_precision_loss, reason = "a mean is given to 53 bits")]
fn mean(sum: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

fn quarter_of_day(facts: &Facts) -> u16 {
    let quarter = facts.start_time.as_micros().div_euclid(QUARTER_MICROS);
    u16::try_from(quarter.rem_euclid(QUARTERS_PER_DAY)).expect("a day has 96 quarters")
}
