//! What can be counted in a group.

use std::cmp::Ordering;

use serde_json::Value;

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $key:literal $title:literal $(| $phrase:literal)*,)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Measure { $($(#[$doc])* $variant,)+ }

        impl Measure {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Gives its name for programs.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)+ }
            }

            /// Gives its name for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// Gives all that is understood: name, and what is meant.
            pub(super) fn phrases() -> impl Iterator<Item = (&'static str, Self)> + Clone {
                [$(($key, Self::$variant), $(($phrase, Self::$variant),)*)+].into_iter()
            }
        }
    };
}

measures! {
    /// How many sessions.
    Sessions = "sessions" "Sessions" | "count" | "starts",
    /// How many different accounts.
    Users = "users" "Users" | "unique users",
    /// How many different hosts.
    Hosts = "hosts" "Hosts" | "unique hosts",
    /// The mean length.
    Mean = "mean_seconds" "Mean" | "mean duration" | "average duration" | "avg duration" | "mean",
    /// The median length: of an even number the mean of the two in the middle.
    Median = "median_seconds" "Median" | "median duration" | "median",
    /// The length that 95 of 100 do not exceed, by nearest rank.
    P95 = "p95_seconds" "P95" | "p95 duration" | "p95",
    /// The longest.
    Longest = "max_seconds" "Longest" | "max duration" | "longest",
    /// All lengths together.
    Total = "total_seconds" "Total" | "total duration" | "total",
    /// How many failed.
    Failed = "failed" "Failed" | "errors",
    /// The share that failed, 0 to 100.
    ErrorRate = "error_rate" "Errors %" | "error rate" | "error share",
    /// How many are lost.
    Lost = "lost" "Lost",
    /// The share that is lost, 0 to 100.
    LostRate = "lost_rate" "Lost %" | "lost rate" | "lost share",
    /// How many are active.
    Active = "active" "Active" | "open",
}

/// How much of something there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// That many.
    Count(usize),
    /// That long; none where nothing has ended.
    Seconds(Option<f64>),
    /// That share, 0 to 100.
    Share(Option<f64>),
}

impl Measure {
    /// What is counted when nobody says what.
    pub const USUAL: [Self; 7] = [
        Self::Sessions,
        Self::Users,
        Self::Mean,
        Self::Median,
        Self::P95,
        Self::ErrorRate,
        Self::LostRate,
    ];
    /// What `duration` means.
    pub(super) const DURATION: [Self; 3] = [Self::Mean, Self::Median, Self::P95];
}

impl Amount {
    /// Gives it as a number.
    #[must_use]
    pub fn to_number(self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 sessions")]
            Self::Count(count) => Some(count as f64),
            Self::Seconds(number) | Self::Share(number) => number,
        }
    }

    /// Gives it as plain data.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Count(count) => count.into(),
            Self::Seconds(number) | Self::Share(number) => number.into(),
        }
    }

    /// Tells which is larger; nothing is less than anything.
    pub(super) fn compare(one: &Self, other: &Self) -> Ordering {
        let number = |amount: &Self| amount.to_number().unwrap_or(f64::NEG_INFINITY);
        number(one).total_cmp(&number(other))
    }
}
