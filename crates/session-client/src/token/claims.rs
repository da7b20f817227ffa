//! What a token claims.

use std::{fmt, ops::BitOr, str::FromStr, time::Duration};

use serde_json::{Map, Value, json};
use session_model::{ComponentName, Timestamp};

use super::TokenError;

/// The audience of our tokens.
pub const AUDIENCE: &str = "session-buddy";
/// How far the clocks of two machines may lie apart: 60 seconds.
pub const LEEWAY_SECONDS: i64 = 60;

/// The most characters of a subject, and of the id of a token.
const CHARACTERS_MAX: usize = 200;
/// Beginnings of the names that a server gives to those who have no token, or only say who they are.
const RESERVED: [&str; 2] = ["uid ", "claimed:"];

/// What a token may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    emit: bool,
    read: bool,
    admin: bool,
}

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected emit, read or admin, found {0:?}")]
pub struct UnknownScope(String);

impl Scopes {
    /// To report.
    pub const EMIT: Self = Self::new(true, false, false);
    /// To read.
    pub const READ: Self = Self::new(false, true, false);
    /// To do everything.
    pub const ADMIN: Self = Self::new(true, true, true);
    /// For nothing.
    pub const NONE: Self = Self::new(false, false, false);

    const fn new(emit: bool, read: bool, admin: bool) -> Self {
        Self { emit, read, admin }
    }

    /// Tells whether all of `others` are among these.
    pub const fn contain(self, others: Self) -> bool {
        (self.emit || !others.emit) && (self.read || !others.read) && (self.admin || !others.admin)
    }

    /// Gives those that are among `others` too.
    #[must_use]
    pub const fn within(self, others: Self) -> Self {
        Self::new(
            self.emit && others.emit,
            self.read && others.read,
            self.admin && others.admin,
        )
    }

    /// Gives the words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let words = if self.admin {
            [None, None, Some("admin")]
        } else {
            [
                self.emit.then_some("emit"),
                self.read.then_some("read"),
                None,
            ]
        };
        words.into_iter().flatten()
    }

    /// Reads a word, also those of older tokens; none where it means nothing here.
    fn of_word(word: &str) -> Self {
        match word {
            "emit" | "write" => Self::EMIT,
            "read" => Self::READ,
            "admin" | "delete" => Self::ADMIN,
            _ => Self::NONE,
        }
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self::new(
            self.emit || other.emit,
            self.read || other.read,
            self.admin || other.admin,
        )
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.words().collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// Reads words with commas between them.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let mut scopes = Self::NONE;
        for word in text.split(',').map(str::trim) {
            match word {
                "emit" | "read" | "admin" => scopes = scopes | Self::of_word(word),
                _ => return Err(UnknownScope(word.to_owned())),
            }
        }
        Ok(scopes)
    }
}

/// What a token claims. Times are whole seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who has it: `sub`, in older tokens `user_id`.
    pub subject: String,
    /// What it may be used for: `scopes`, or `scope` in one text. A token without them reports and reads.
    pub scopes: Scopes,
    /// The one component that it is good for; none where it is good for all.
    pub component: Option<ComponentName>,
    /// Who made it.
    pub issuer: Option<ComponentName>,
    /// Its id: `jti`.
    pub id: Option<String>,
    /// When it was made.
    pub issued_at: Option<i64>,
    /// From when it is good.
    pub not_before: Option<i64>,
    /// Until when it is good.
    pub expires_at: i64,
}

impl Claims {
    /// Claims something for somebody.
    pub const fn new(subject: String, scopes: Scopes, expires_at: i64) -> Self {
        Self {
            subject,
            scopes,
            component: None,
            issuer: None,
            id: None,
            issued_at: None,
            not_before: None,
            expires_at,
        }
    }

    /// Reads claims, of any documented shape.
    ///
    /// # Errors
    ///
    /// The first claim that is wrong or missing. Claims that are not known mean nothing: `role`, which older tokens have,
    /// is one of them.
    pub fn read(claims: &Map<String, Value>) -> Result<Self, TokenError> {
        let reading = Reading(claims);
        reading.check_audience()?;
        if reading.text("type")?.is_some_and(|kind| kind != "access") {
            return Err(wrong("type", "is not access"));
        }
        let subject = match reading.text("sub")? {
            Some(subject) => subject,
            None => reading
                .text("user_id")?
                .ok_or_else(|| wrong("sub", "is missing, and so is user_id"))?,
        };
        check_subject(subject).map_err(|problem| wrong("sub", problem))?;
        let component = |name| {
            let component = reading.text(name)?.map(str::parse).transpose();
            component.map_err(|problem: String| wrong(name, problem))
        };
        let id = reading.text("jti")?;
        if id.is_some_and(|id| !is_plain(id)) {
            return Err(wrong("jti", "is not 1 to 200 characters that can be shown"));
        }
        Ok(Self {
            subject: subject.to_owned(),
            scopes: reading.scopes()?,
            component: component("component")?,
            issuer: component("iss")?,
            id: id.map(str::to_owned),
            issued_at: reading.time("iat")?,
            not_before: reading.time("nbf")?,
            expires_at: reading
                .time("exp")?
                .ok_or_else(|| wrong("exp", "is missing: a token must expire"))?,
        })
    }

    /// Checks that its time is now, with [`LEEWAY_SECONDS`] on both sides.
    ///
    /// # Errors
    ///
    /// When it is over, or has not come.
    pub fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        time_left(self.expires_at, now)?;
        let seconds = now.as_micros().div_euclid(1_000_000);
        match self.not_before {
            Some(begin) if seconds < begin.saturating_sub(LEEWAY_SECONDS) => {
                Err(TokenError::NotYet(instant(begin)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Writes the claims as they are signed.
    pub fn to_json(&self) -> Map<String, Value> {
        let scopes: Vec<_> = self.scopes.words().collect();
        let claims = [
            ("aud", json!(AUDIENCE)),
            ("component", json!(self.component)),
            ("exp", json!(self.expires_at)),
            ("iat", json!(self.issued_at)),
            ("iss", json!(self.issuer)),
            ("jti", json!(self.id)),
            ("nbf", json!(self.not_before)),
            ("scopes", json!(scopes)),
            ("sub", json!(self.subject)),
        ];
        let said = claims.into_iter().filter(|(_, value)| !value.is_null());
        said.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Checks that a subject can be somebody's name in a record.
pub(super) fn check_subject(subject: &str) -> Result<(), String> {
    if !is_plain(subject) {
        return Err(format!(
            "is not 1 to {CHARACTERS_MAX} characters that can be shown"
        ));
    }
    match RESERVED
        .iter()
        .find(|reserved| subject.starts_with(**reserved))
    {
        Some(reserved) => Err(format!("begins with {reserved:?}, which no name may")),
        None => Ok(()),
    }
}

fn is_plain(text: &str) -> bool {
    let count = text.chars().count();
    (1..=CHARACTERS_MAX).contains(&count)
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

/// Tells for how long a token that expires then is still accepted, with [`LEEWAY_SECONDS`].
///
/// # Errors
///
/// When that time is over.
pub fn time_left(expires_at: i64, now: Timestamp) -> Result<Duration, TokenError> {
    let end = expires_at.saturating_add(LEEWAY_SECONDS);
    let micros = end
        .saturating_mul(1_000_000)
        .saturating_sub(now.as_micros());
    match u64::try_from(micros) {
        Ok(micros) if micros > 0 => Ok(Duration::from_micros(micros)),
        _ => Err(TokenError::Expired(instant(expires_at))),
    }
}

/// Gives a time that a person can read; what lies beyond the calendar stands at its end.
fn instant(seconds: i64) -> Timestamp {
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    Timestamp::saturating_from(instant)
}

fn wrong(claim: &'static str, problem: impl Into<String>) -> TokenError {
    let problem = problem.into();
    TokenError::Claim { claim, problem }
}

struct Reading<'a>(&'a Map<String, Value>);

impl<'a> Reading<'a> {
    /// Null is as good as absent.
    fn get(&self, claim: &str) -> Option<&'a Value> {
        self.0.get(claim).filter(|value| !value.is_null())
    }

    fn text(&self, claim: &'static str) -> Result<Option<&'a str>, TokenError> {
        let read = |value: &'a Value| value.as_str().ok_or_else(|| wrong(claim, "is no text"));
        self.get(claim).map(read).transpose()
    }

    fn time(&self, claim: &'static str) -> Result<Option<i64>, TokenError> {
        let Some(value) = self.get(claim) else {
            return Ok(None);
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates, which is what is wanted"
        )]
        let seconds = value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
        seconds
            .map(Some)
            .ok_or_else(|| wrong(claim, "is no number of seconds"))
    }

    fn check_audience(&self) -> Result<(), TokenError> {
        let named = match self.get("aud") {
            None => return Ok(()),
            Some(Value::String(one)) => one == AUDIENCE,
            Some(Value::Array(several)) => several.iter().any(|one| one == AUDIENCE),
            Some(_) => false,
        };
        if named {
            Ok(())
        } else {
            Err(wrong("aud", format!("does not name {AUDIENCE}")))
        }
    }

    /// A word that is not known allows nothing; neither does an empty list.
    fn scopes(&self) -> Result<Scopes, TokenError> {
        let (claim, value) = match (self.get("scopes"), self.get("scope")) {
            (Some(value), _) => ("scopes", value),
            (None, Some(value)) => ("scope", value),
            (None, None) => return Ok(Scopes::EMIT | Scopes::READ),
        };
        let no_words = || wrong(claim, "is neither a text nor an array of texts");
        let mut scopes = Scopes::NONE;
        match value {
            Value::String(text) => {
                for word in text.split([' ', ',']) {
                    scopes = scopes | Scopes::of_word(word);
                }
            }
            Value::Array(words) => {
                for word in words {
                    scopes = scopes | Scopes::of_word(word.as_str().ok_or_else(no_words)?);
                }
            }
            _ => return Err(no_words()),
        }
        Ok(scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(claims: Value) -> Result<Claims, TokenError> {
        Claims::read(claims.as_object().unwrap())
    }

    #[test]
    fn every_documented_shape_is_read() {
        let emit_and_read = Scopes::EMIT | Scopes::READ;
        for (claims, subject, scopes) in [
            (
                json!({"user_id": "alpha", "exp": 1, "iat": 0, "type": "access", "iss": "session-buddy"}),
                "alpha",
                emit_and_read,
            ),
            (
                json!({"user_id": "alpha", "exp": 1, "iat": 0, "type": "access", "iss": "mahavishnu", "role": "admin",
                       "refreshed_at": 0}),
                "alpha",
                emit_and_read,
            ),
            (
                json!({"sub": "beta", "iss": "oneiric", "aud": "session-buddy", "iat": 0, "exp": 1, "jti": "j",
                       "scopes": ["read", "write"]}),
                "beta",
                emit_and_read,
            ),
            (
                json!({"sub": "beta", "user_id": "alpha", "exp": 1.5, "aud": ["x", "session-buddy"], "scopes": ["read"]}),
                "beta",
                Scopes::READ,
            ),
            (
                json!({"sub": "b", "exp": 1, "scopes": ["delete"]}),
                "b",
                Scopes::ADMIN,
            ),
            (
                json!({"sub": "b", "exp": 1, "scopes": ["admin"]}),
                "b",
                Scopes::ADMIN,
            ),
            (
                json!({"sub": "b", "exp": 1, "scope": "emit x"}),
                "b",
                Scopes::EMIT,
            ),
            (
                json!({"sub": "b", "exp": 1, "scopes": []}),
                "b",
                Scopes::NONE,
            ),
            (
                json!({"sub": "b", "exp": 1, "scopes": null, "aud": null}),
                "b",
                emit_and_read,
            ),
        ] {
            let read = read(claims.clone()).unwrap_or_else(|error| panic!("{claims}: {error}"));
            assert_eq!(
                (read.subject.as_str(), read.scopes),
                (subject, scopes),
                "{claims}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_confused_is_named() {
        for (claims, named) in [
            (json!({"sub": "b"}), "exp"),
            (json!({"exp": 1}), "sub"),
            (json!({"exp": "1", "sub": "b"}), "exp"),
            (json!({"exp": true, "sub": "b"}), "exp"),
            (json!({"exp": 1, "sub": 7}), "sub"),
            (json!({"exp": 1, "sub": ""}), "sub"),
            (json!({"exp": 1, "sub": "a\nb"}), "sub"),
            (json!({"exp": 1, "sub": "uid 0"}), "sub"),
            (json!({"exp": 1, "sub": "claimed:les"}), "sub"),
            (json!({"exp": 1, "sub": "x".repeat(201)}), "sub"),
            (json!({"exp": 1, "sub": "b", "aud": "other"}), "aud"),
            (json!({"exp": 1, "sub": "b", "aud": []}), "aud"),
            (
                json!({"exp": 1, "sub": "b", "aud": {"session-buddy": 1}}),
                "aud",
            ),
            (json!({"exp": 1, "sub": "b", "type": "refresh"}), "type"),
            (
                json!({"exp": 1, "sub": "b", "iss": "https://issuer.example"}),
                "iss",
            ),
            (json!({"exp": 1, "sub": "b", "component": ""}), "component"),
            (
                json!({"exp": 1, "sub": "b", "component": ["a"]}),
                "component",
            ),
            (json!({"exp": 1, "sub": "b", "scopes": 7}), "scopes"),
            (json!({"exp": 1, "sub": "b", "scopes": [7]}), "scopes"),
            (json!({"exp": 1, "sub": "b", "jti": ""}), "jti"),
            (json!({"exp": 1, "sub": "b", "nbf": []}), "nbf"),
        ] {
            match read(claims.clone()) {
                Err(TokenError::Claim { claim, .. }) => assert_eq!(claim, named, "{claims}"),
                other => panic!("{claims}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_minute_is_given_to_clocks_that_differ() {
        let mut claims = Claims::new("b".to_owned(), Scopes::EMIT, 1_000);
        claims.not_before = Some(500);
        let at =
            |seconds: i64| claims.check_time(Timestamp::from_micros(seconds * 1_000_000).unwrap());
        assert!(matches!(at(439), Err(TokenError::NotYet(_))));
        assert_eq!(at(440), Ok(()));
        assert_eq!(at(1_059), Ok(()));
        assert!(matches!(at(1_060), Err(TokenError::Expired(_))));
        claims.expires_at = i64::MAX;
        claims.not_before = Some(i64::MIN);
        let now = Timestamp::from_micros(0).unwrap();
        assert_eq!(claims.check_time(now), Ok(()));
    }

    #[test]
    fn claims_are_read_as_they_are_written() {
        let claims = Claims {
            component: Some("billing".parse().unwrap()),
            issuer: Some("session-buddy".parse().unwrap()),
            id: Some("j".to_owned()),
            issued_at: Some(1),
            not_before: Some(2),
            ..Claims::new("b".to_owned(), Scopes::EMIT | Scopes::READ, 3)
        };
        assert_eq!(Claims::read(&claims.to_json()), Ok(claims));
    }

    #[test]
    fn scopes_are_words() {
        assert_eq!("emit,read".parse(), Ok(Scopes::EMIT | Scopes::READ));
        assert_eq!("admin".parse(), Ok(Scopes::ADMIN));
        assert_eq!(Scopes::ADMIN.to_string(), "admin");
        assert_eq!((Scopes::READ | Scopes::EMIT).to_string(), "emit,read");
        for wrong in ["", "write", "emit,", "Emit"] {
            assert!(wrong.parse::<Scopes>().is_err(), "{wrong}");
        }
        assert!(Scopes::ADMIN.contain(Scopes::EMIT) && !Scopes::EMIT.contain(Scopes::READ));
        assert_eq!(
            Scopes::ADMIN
                .within(Scopes::EMIT | Scopes::READ)
                .to_string(),
            "emit,read"
        );
    }
}
