//! The bounds that can be set.

use std::{ops::RangeInclusive, time::Duration};

use layered_config::{Layers, ValueError};

/// A number of requests, spread over time, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many a minute, in the long run; 0 is no bound.
    pub per_minute: u64,
    /// How many at once, from one that was silent.
    pub burst: u64,
}

/// Every bound that can be set. `docs/LIMITS.md` says why each is what it is, and a test holds it to this table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a request's line and headers.
    pub header_bytes_max: usize,
    /// The most headers of a request.
    pub headers_max: usize,
    /// How long a TLS handshake, and then the line and headers of a request, may take to come.
    pub header_timeout: Duration,
    /// How long a body may take to come.
    pub body_timeout: Duration,
    /// The most bytes of bodies that are held at once, of all requests of a door.
    pub bodies_bytes_max: usize,
    /// How long a connection may say nothing between two requests.
    pub idle_timeout: Duration,
    /// How long nothing of an answer may be taken.
    pub write_timeout: Duration,
    /// How fast an answer must be taken, beyond what [`Self::write_timeout`] forgives.
    pub bytes_per_second_min: u64,
    /// The most connections of a door.
    pub connections_max: usize,
    /// The most connections from one address elsewhere.
    pub connections_per_address: usize,
    /// The most requests of a door that are worked on at once.
    pub requests_max: usize,
    /// The most requests from one address elsewhere that are worked on at once.
    pub requests_per_address: usize,
    /// Connections from one address elsewhere.
    pub connection_rate: Rate,
    /// Requests of one subject, or without a token one address, elsewhere.
    pub request_rate: Rate,
    /// Requests of one subject, user or address on this machine.
    pub local_request_rate: Rate,
    /// Tokens that are not good, from one address or user.
    pub bad_token_rate: Rate,
    /// How long an answer of 429 is held back, so that whoever does not wait is made to.
    pub refusal_delay: Duration,
    /// The most event streams of a door.
    pub event_streams_max: usize,
    /// The most event streams of an address elsewhere.
    pub event_streams_per_address: usize,
    /// How many records of the ledger an event stream that was up to date may fall behind.
    pub event_lag_max: u64,
}

/// A bound as people set it.
pub(super) struct Bound {
    pub(super) key: &'static str,
    pub(super) variable: &'static str,
    pub(super) default: &'static str,
    range: Range,
}

enum Range {
    Number(RangeInclusive<u64>),
    /// In milliseconds.
    Time(RangeInclusive<u64>),
}

const fn number(
    key: &'static str,
    variable: &'static str,
    default: &'static str,
    range: RangeInclusive<u64>,
) -> Bound {
    Bound {
        key,
        variable,
        default,
        range: Range::Number(range),
    }
}

const fn time(
    key: &'static str,
    variable: &'static str,
    default: &'static str,
    range: RangeInclusive<u64>,
) -> Bound {
    Bound {
        key,
        variable,
        default,
        range: Range::Time(range),
    }
}

/// The longest time that can be set: an hour.
const TIME_MAX: u64 = 3_600_000;
/// The most of anything that is counted one by one.
const COUNT_MAX: u64 = 1_000_000;

#[rustfmt::skip]
pub(super) const BOUNDS: &[Bound] = &[
    number("header_bytes_max", "SESSION_BUDDY_HEADER_BYTES_MAX", "32768", 8_192..=1_048_576),
    number("headers_max", "SESSION_BUDDY_HEADERS_MAX", "64", 16..=1_000),
    time("header_timeout", "SESSION_BUDDY_HEADER_TIMEOUT", "10s", 50..=TIME_MAX),
    time("body_timeout", "SESSION_BUDDY_BODY_TIMEOUT", "10s", 50..=TIME_MAX),
    number("bodies_bytes_max", "SESSION_BUDDY_BODIES_BYTES_MAX", "67108864", 2_097_152..=17_179_869_184),
    time("idle_timeout", "SESSION_BUDDY_IDLE_TIMEOUT", "75s", 50..=TIME_MAX),
    time("write_timeout", "SESSION_BUDDY_WRITE_TIMEOUT", "30s", 50..=TIME_MAX),
    number("bytes_per_second_min", "SESSION_BUDDY_BYTES_PER_SECOND_MIN", "16384", 1..=1_073_741_824),
    number("connections_max", "SESSION_BUDDY_CONNECTIONS_MAX", "16384", 16..=COUNT_MAX),
    number("connections_per_address", "SESSION_BUDDY_CONNECTIONS_PER_ADDRESS", "256", 1..=COUNT_MAX),
    number("requests_max", "SESSION_BUDDY_REQUESTS_MAX", "4096", 1..=COUNT_MAX),
    number("requests_per_address", "SESSION_BUDDY_REQUESTS_PER_ADDRESS", "16", 1..=COUNT_MAX),
    number("connections_per_minute", "SESSION_BUDDY_CONNECTIONS_PER_MINUTE", "3000", 0..=60_000_000),
    number("requests_per_second", "SESSION_BUDDY_REQUESTS_PER_SECOND", "200", 0..=COUNT_MAX),
    number("requests_burst", "SESSION_BUDDY_REQUESTS_BURST", "1000", 1..=COUNT_MAX),
    number("local_requests_per_second", "SESSION_BUDDY_LOCAL_REQUESTS_PER_SECOND", "50000", 0..=COUNT_MAX),
    number("local_requests_burst", "SESSION_BUDDY_LOCAL_REQUESTS_BURST", "100000", 1..=COUNT_MAX),
    number("bad_tokens_per_minute", "SESSION_BUDDY_BAD_TOKENS_PER_MINUTE", "60", 1..=COUNT_MAX),
    number("bad_tokens_burst", "SESSION_BUDDY_BAD_TOKENS_BURST", "100", 1..=COUNT_MAX),
    time("refusal_delay", "SESSION_BUDDY_REFUSAL_DELAY", "1s", 0..=10_000),
    number("event_streams_max", "SESSION_BUDDY_EVENT_STREAMS_MAX", "256", 1..=COUNT_MAX),
    number("event_streams_per_address", "SESSION_BUDDY_EVENT_STREAMS_PER_ADDRESS", "16", 1..=COUNT_MAX),
    number("event_lag_max", "SESSION_BUDDY_EVENT_LAG_MAX", "50000", 1..=1_000_000_000),
];

impl Limits {
    pub(super) fn read(layers: &Layers) -> Result<Self, ValueError> {
        let value = |key| value(layers, key);
        let time = |key| value(key).map(Duration::from_millis);
        let count = |key| value(key).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let second = |key| value(key).map(|count| count * 60);
        let connections_per_address = count("connections_per_address")?;
        Ok(Self {
            header_bytes_max: count("header_bytes_max")?,
            headers_max: count("headers_max")?,
            header_timeout: time("header_timeout")?,
            body_timeout: time("body_timeout")?,
            bodies_bytes_max: count("bodies_bytes_max")?,
            idle_timeout: time("idle_timeout")?,
            write_timeout: time("write_timeout")?,
            bytes_per_second_min: value("bytes_per_second_min")?,
            connections_max: count("connections_max")?,
            connections_per_address,
            requests_max: count("requests_max")?,
            requests_per_address: count("requests_per_address")?,
            connection_rate: Rate {
                per_minute: value("connections_per_minute")?,
                // Whoever may have so many may also open them at once.
                burst: value("connections_per_address")?,
            },
            request_rate: Rate {
                per_minute: second("requests_per_second")?,
                burst: value("requests_burst")?,
            },
            local_request_rate: Rate {
                per_minute: second("local_requests_per_second")?,
                burst: value("local_requests_burst")?,
            },
            bad_token_rate: Rate {
                per_minute: value("bad_tokens_per_minute")?,
                burst: value("bad_tokens_burst")?,
            },
            refusal_delay: time("refusal_delay")?,
            event_streams_max: count("event_streams_max")?,
            event_streams_per_address: count("event_streams_per_address")?,
            event_lag_max: value("event_lag_max")?,
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        let layers = Layers::new().with(layered_config::Layer::defaults(
            BOUNDS.iter().map(|bound| (bound.key, bound.default)),
        ));
        Self::read(&layers).expect("each default is within its range, as a test shows")
    }
}

/// Gives the value of a key that has a default, times in milliseconds.
fn value(layers: &Layers, key: &str) -> Result<u64, ValueError> {
    let bound = BOUNDS.iter().find(|bound| bound.key == key);
    let bound = bound.expect("each field has a line in the table");
    let setting = layers.get_with(key, |text| bound.parse(text))?;
    Ok(setting.expect("each line of the table has a default").value)
}

impl Bound {
    fn parse(&self, text: &str) -> Result<u64, String> {
        match &self.range {
            Range::Number(range) => text
                .parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("an integer from {} to {}", range.start(), range.end())),
            Range::Time(range) => milliseconds(text)
                .filter(|time| range.contains(time))
                .ok_or_else(|| {
                    let (start, end) = (shown(*range.start()), shown(*range.end()));
                    format!("a time from {start} to {end}, such as 500ms, 10s or 2m")
                }),
        }
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    // The longer unit first: it ends as another does.
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let (number, unit) = UNITS
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn shown(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0s".to_owned(),
        hours if hours % 3_600_000 == 0 => format!("{}h", hours / 3_600_000),
        seconds if seconds % 1_000 == 0 => format!("{}s", seconds / 1_000),
        milliseconds => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use layered_config::Layer;

    use super::*;

    fn with(key: &str, text: &str) -> Result<Limits, String> {
        let layers = Layers::new()
            .with(Layer::defaults(
                BOUNDS.iter().map(|bound| (bound.key, bound.default)),
            ))
            .with(Layer::from_flags([(key, "--x", Some(text.to_owned()))]));
        Limits::read(&layers).map_err(|error| error.to_string())
    }

    #[test]
    fn every_default_is_within_its_range_and_its_variable_is_its_key() {
        for bound in BOUNDS {
            assert!(bound.parse(bound.default).is_ok(), "{}", bound.key);
            let variable = format!("SESSION_BUDDY_{}", bound.key.to_uppercase());
            assert_eq!(bound.variable, variable);
        }
        assert_eq!(Limits::default().request_rate.per_minute, 12_000);
    }

    #[test]
    fn a_bound_out_of_its_range_is_refused_with_it() {
        assert_eq!(
            with("headers_max", "5").unwrap_err(),
            "headers_max: expected an integer from 16 to 1000, found \"5\" (flag --x)"
        );
        assert_eq!(
            with("idle_timeout", "2h").unwrap_err(),
            "idle_timeout: expected a time from 50ms to 1h, such as 500ms, 10s or 2m, found \"2h\" (flag --x)"
        );
        assert!(with("refusal_delay", "0s").is_ok());
        for wrong in ["", "10", "s", "-1s", "1.5s", "99999999999999999999s", "1é"] {
            assert!(with("idle_timeout", wrong).is_err(), "{wrong}");
        }
        let limits = with("write_timeout", "250ms").unwrap();
        assert_eq!(limits.write_timeout, Duration::from_millis(250));
    }

    #[test]
    fn the_document_has_every_bound_with_its_default() {
        let document = include_str!("../../../../docs/LIMITS.md");
        for Bound { key, default, .. } in BOUNDS {
            let line = format!("| `{key}` | `{default}` |");
            assert!(document.contains(&line), "no line {line}");
        }
    }
}
