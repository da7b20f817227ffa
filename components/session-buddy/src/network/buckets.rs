//! How fast each of many may go: a token bucket for each, as the time at which it would be full again (the generic cell
//! rate algorithm, ITU-T I.371).
//!
//! What is kept for a key is one number, and for nobody who has been silent long enough. The number of keys is bounded:
//! whoever comes from ever new addresses fills the table, and those beyond it share one bucket. So memory stays what it
//! is, and whoever is in the table already is not touched. The crates for this bound rates, and not keys.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Rate;

/// The most keys that are told apart: 16,384, in less than 1 MiB.
const KEYS_MAX: usize = 16 * 1024;
/// How long a full table is not searched again for keys that are silent.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// The bucket of those who have none of their own.
const SHARED: u64 = 0;

#[derive(Debug)]
pub(super) struct Buckets {
    hasher: RandomState,
    began: Instant,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// When each key's bucket is full again, in nanoseconds.
    full_at: HashMap<u64, u64>,
    swept_at: Option<u64>,
}

impl Buckets {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            hasher: RandomState::new(),
            began: now,
            table: Mutex::default(),
        }
    }

    /// Takes one out of a key's bucket. Where it is empty, says after which time it no longer is.
    pub(super) fn take(&self, key: &impl Hash, rate: Rate, now: Instant) -> Result<(), Duration> {
        const MINUTE: u64 = 60_000_000_000;
        let Some(interval) = MINUTE.checked_div(rate.per_minute) else {
            return Ok(());
        };
        let since = now.saturating_duration_since(self.began).as_nanos();
        let now = u64::try_from(since).unwrap_or(u64::MAX);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = table.bucket(self.hasher.hash_one(key), now);
        let missing = (*full_at).saturating_sub(now);
        let forgiven = interval.saturating_mul(rate.burst.saturating_sub(1));
        match missing.checked_sub(forgiven) {
            Some(wait @ 1..) => Err(Duration::from_nanos(wait)),
            Some(0) | None => {
                *full_at = now.saturating_add(missing).saturating_add(interval);
                Ok(())
            }
        }
    }
}

impl Table {
    fn bucket(&mut self, key: u64, now: u64) -> &mut u64 {
        let is_new = !self.full_at.contains_key(&key);
        if is_new && self.full_at.len() >= KEYS_MAX {
            self.sweep(now);
        }
        let key = if is_new && self.full_at.len() >= KEYS_MAX {
            SHARED
        } else {
            key
        };
        self.full_at.entry(key).or_insert(now)
    }

    /// Forgets whose bucket is full: it is as if they had never come.
    fn sweep(&mut self, now: u64) {
        let pause = u64::try_from(SWEEP_PAUSE.as_nanos()).unwrap_or(u64::MAX);
        if self
            .swept_at
            .is_some_and(|swept_at| now < swept_at.saturating_add(pause))
        {
            return;
        }
        self.swept_at = Some(now);
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One a second, three at once.
    const RATE: Rate = Rate {
        per_minute: 60,
        burst: 3,
    };

    #[test]
    fn a_burst_passes_and_then_one_in_each_interval() {
        let t0 = Instant::now();
        let buckets = Buckets::new(t0);
        for _ in 0..3 {
            assert_eq!(buckets.take(&"a", RATE, t0), Ok(()));
        }
        assert_eq!(buckets.take(&"a", RATE, t0), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take(&"b", RATE, t0), Ok(()));
        let half = t0 + Duration::from_millis(500);
        assert_eq!(
            buckets.take(&"a", RATE, half),
            Err(Duration::from_millis(500))
        );
        let one = t0 + Duration::from_secs(1);
        assert_eq!(buckets.take(&"a", RATE, one), Ok(()));
        assert_eq!(buckets.take(&"a", RATE, one), Err(Duration::from_secs(1)));
        let later = t0 + Duration::from_secs(60);
        let taken = (0..10).filter(|_| buckets.take(&"a", RATE, later).is_ok());
        assert_eq!(taken.count(), 3);
    }

    #[test]
    fn no_rate_is_no_bound() {
        let buckets = Buckets::new(Instant::now());
        let none = Rate {
            per_minute: 0,
            burst: 1,
        };
        for _ in 0..1000 {
            assert_eq!(buckets.take(&"a", none, Instant::now()), Ok(()));
        }
        assert!(buckets.table.lock().unwrap().full_at.is_empty());
    }

    #[test]
    fn ever_new_keys_take_no_more_memory_and_nobody_elses_place() {
        let t0 = Instant::now();
        let buckets = Buckets::new(t0);
        assert_eq!(buckets.take(&"honest", RATE, t0), Ok(()));
        for key in 0..3 * KEYS_MAX {
            let _ = buckets.take(&key, RATE, t0);
        }
        let kept = |buckets: &Buckets| buckets.table.lock().unwrap().full_at.len();
        assert!(kept(&buckets) <= KEYS_MAX + 1);
        assert_eq!(buckets.take(&"honest", RATE, t0), Ok(()));
        // Those without a bucket of their own share one, which is empty.
        assert!(buckets.take(&"another", RATE, t0).is_err());
        let later = t0 + Duration::from_secs(100);
        assert_eq!(buckets.take(&"another", RATE, later), Ok(()));
        assert_eq!(kept(&buckets), 1);
    }
}
