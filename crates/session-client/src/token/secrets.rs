//! Secrets, as the environment gives them.

use std::{ffi::OsString, fmt, fs::File, io, io::Read, path::PathBuf, sync::Arc};

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Claims, TokenError, hs256};

/// The variable with the server's own secret.
pub const SECRET: &str = "SESSION_BUDDY_SECRET";
/// The variable with the secret that emitters of several projects share.
pub const EMITTERS_SECRET: &str = "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET";

/// The fewest bytes of a secret: 32, as many as the output of HS256's hash (RFC 7518, section 3.2).
const BYTES_MIN: usize = 32;
/// The most bytes of a file with secrets: 64 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The most secrets of a list. A rotation needs two.
const SECRETS_MAX: usize = 16;

/// Secrets that stand in documents, compared without case. Those that are too short anyway are named so, too.
const WELL_KNOWN: [&str; 15] = [
    "changeme",
    "change-me",
    "secret",
    "test",
    "test-secret",
    "placeholder",
    "example",
    "none",
    "null",
    "your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "<32-byte-url-safe-secret>",
    "your-secret-key-at-least-32-characters-long",
    "your-super-secret-key-min-32-characters",
    "0123456789abcdef0123456789abcdef",
];

/// Why a secret, or a token, of the environment is not used. No message repeats any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is there twice.
    #[error("{0} and {0}_FILE are both set, and one of them would be ignored")]
    Both(&'static str),
    /// It is no text.
    #[error("{0} is not UTF-8")]
    NotText(String),
    /// Its file cannot be read.
    #[error("{variable} names {}, which cannot be read", path.display())]
    File {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing in it, or a place in its list is empty.
    #[error("{0} has a place in its list that is empty")]
    Empty(String),
    /// There are too many.
    #[error("{variable} has {count} secrets, and may have {SECRETS_MAX}")]
    TooMany {
        /// The variable.
        variable: String,
        /// How many there are.
        count: usize,
    },
    /// It can be guessed by trying.
    #[error(
        "{variable} has a secret of {bytes} bytes{}, and at least {BYTES_MIN} are needed; \
         make one with `openssl rand -base64 32`", place(*number)
    )]
    Short {
        /// The variable.
        variable: String,
        /// Which one of its list, from 1; none where there is only one.
        number: Option<usize>,
        /// How long it is.
        bytes: usize,
    },
    /// Everybody knows it.
    #[error(
        "{variable} has a secret that everybody knows or can guess{}; make one with `openssl rand -base64 32`",
        place(*number)
    )]
    WellKnown {
        /// The variable.
        variable: String,
        /// Which one of its list, from 1; none where there is only one.
        number: Option<usize>,
    },
}

fn place(number: Option<usize>) -> String {
    number.map_or_else(String::new, |number| format!(" at place {number}"))
}

/// Gives what a variable, or the file that its twin `_FILE` names, holds, without white space at its ends, and which of the
/// two it was. Blank is as good as not set.
///
/// # Errors
///
/// When both are set, or the one that is cannot be read.
pub fn lookup(
    name: &'static str,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<(String, String)>, SecretError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let file = format!("{name}_FILE");
    match (set(name), set(&file)) {
        (Some(_), Some(_)) => Err(SecretError::Both(name)),
        (None, None) => Ok(None),
        (Some(value), None) => {
            let text = value
                .into_string()
                .map_err(|_| SecretError::NotText(name.to_owned()))?;
            Ok(
                Some((text.trim().to_owned(), name.to_owned()))
                    .filter(|(text, _)| !text.is_empty()),
            )
        }
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            match read(&path) {
                Ok(text) if text.trim().is_empty() => Err(SecretError::Empty(file)),
                Ok(text) => Ok(Some((text.trim().to_owned(), file))),
                Err(source) => Err(SecretError::File {
                    variable: file,
                    path,
                    source,
                }),
            }
        }
    }
}

fn read(path: &PathBuf) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Secrets of one kind: each verifies, the last one signs. So a new one is added behind the old one, and the old one goes
/// once no token of it is in use.
#[derive(Clone)]
pub struct Secrets {
    variable: String,
    list: Arc<[Secret]>,
}

struct Secret {
    bytes: Vec<u8>,
    key_id: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets of {}", self.list.len(), self.variable)
    }
}

impl Secrets {
    /// Reads the secrets of a variable or its twin `_FILE`: one, or several with commas between them.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with them.
    pub fn from_environment(
        name: &'static str,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, SecretError> {
        match lookup(name, variable)? {
            Some((text, variable)) => Self::read(&text, variable).map(Some),
            None => Ok(None),
        }
    }

    fn read(text: &str, variable: String) -> Result<Self, SecretError> {
        let texts: Vec<&str> = text.split(',').map(str::trim).collect();
        let several = texts.len() > 1;
        if texts.len() > SECRETS_MAX {
            let count = texts.len();
            return Err(SecretError::TooMany { variable, count });
        }
        let mut list = Vec::new();
        for (text, number) in texts.into_iter().zip(1..) {
            let number = several.then_some(number);
            let variable = variable.clone();
            if text.is_empty() {
                return Err(SecretError::Empty(variable));
            }
            if is_well_known(text) {
                return Err(SecretError::WellKnown { variable, number });
            }
            if text.len() < BYTES_MIN {
                let bytes = text.len();
                return Err(SecretError::Short {
                    variable,
                    number,
                    bytes,
                });
            }
            list.push(Secret::new(text.as_bytes()));
        }
        let list = list.into();
        Ok(Self { variable, list })
    }

    /// Gives the variable that they come from.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// Tells whether one secret is among both.
    pub fn share_one_with(&self, others: &Self) -> bool {
        let is_theirs = |ours: &Secret| others.list.iter().any(|theirs| theirs.bytes == ours.bytes);
        self.list.iter().any(is_theirs)
    }

    /// Makes a token.
    pub fn sign(&self, claims: &Claims) -> String {
        let secret = self.list.last().expect("a list has at least one secret");
        hs256::sign(&secret.bytes, &secret.key_id, &claims.to_json())
    }

    /// Gives the claims of a token that one of the secrets made. They are not looked at yet.
    ///
    /// # Errors
    ///
    /// When none of them did.
    pub fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        let key_id = hs256::header(token)?.key_id;
        // A key that is named is tried first, and what it is called by others means nothing.
        let named = |secret: &&Secret| Some(&secret.key_id) == key_id.as_ref();
        let others = self.list.iter().filter(|secret| !named(secret));
        for secret in self.list.iter().filter(named).chain(others) {
            match hs256::verify(&secret.bytes, token) {
                Err(TokenError::Signature) => {}
                verified => return verified,
            }
        }
        Err(TokenError::Signature)
    }
}

impl Secret {
    fn new(bytes: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update("session-buddy kid 1:")
            .chain_update(bytes)
            .finalize();
        Self {
            bytes: bytes.to_vec(),
            key_id: HEXLOWER.encode(&hash[..4]),
        }
    }
}

/// Tells whether a secret stands in a document, or is one short text over and over.
fn is_well_known(secret: &str) -> bool {
    const REPEATED_MAX: usize = 16;
    let bytes = secret.as_bytes();
    let repeats = |unit: usize| {
        unit * 2 <= bytes.len()
            && bytes
                .iter()
                .zip(&bytes[unit..])
                .all(|(one, next)| one == next)
    };
    WELL_KNOWN
        .iter()
        .any(|known| known.eq_ignore_ascii_case(secret))
        || (1..=REPEATED_MAX).any(repeats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Scopes;

    const OLD: &str = "old-IGh2bUuWkDS8yP4kH0bRrfvZPjXPZq1M7cWvFw";
    const NEW: &str = "new-Gq1M7cWvFwIh2bUuWkDS8yP4kH0bRrfvZPjXPZ";

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Secrets>, SecretError> {
        Secrets::from_environment(SECRET, &|name| {
            let pair = pairs.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| OsString::from(value))
        })
    }

    fn claims() -> Claims {
        Claims::new("les".to_owned(), Scopes::EMIT, 1_000)
    }

    #[test]
    fn every_secret_of_a_list_verifies_and_the_last_one_signs() {
        let both = of(&[(SECRET, &format!("{OLD}, {NEW}"))]).unwrap().unwrap();
        let (old, new) = (
            of(&[(SECRET, OLD)]).unwrap().unwrap(),
            of(&[(SECRET, NEW)]).unwrap().unwrap(),
        );
        assert!(both.verify(&old.sign(&claims())).is_ok());
        let token = both.sign(&claims());
        assert!(new.verify(&token).is_ok());
        assert_eq!(old.verify(&token), Err(TokenError::Signature));
        assert!(both.share_one_with(&old) && !old.share_one_with(&new));
    }

    #[test]
    fn a_file_is_as_good_as_a_variable_but_not_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, format!("{OLD}\n")).unwrap();
        let named = ("SESSION_BUDDY_SECRET_FILE", file.to_str().unwrap());
        let secrets = of(&[named]).unwrap().unwrap();
        assert_eq!(secrets.variable(), "SESSION_BUDDY_SECRET_FILE");
        assert!(secrets.share_one_with(&of(&[(SECRET, OLD)]).unwrap().unwrap()));
        assert!(matches!(
            of(&[named, (SECRET, NEW)]),
            Err(SecretError::Both(SECRET))
        ));
        std::fs::write(&file, "\n").unwrap();
        assert!(matches!(of(&[named]), Err(SecretError::Empty(_))));
        for path in ["/nonexistent", "/dev/null", folder.path().to_str().unwrap()] {
            let error = of(&[("SESSION_BUDDY_SECRET_FILE", path)]).unwrap_err();
            assert!(matches!(error, SecretError::File { .. }), "{error}");
        }
    }

    #[test]
    fn what_can_be_guessed_is_refused_without_being_repeated() {
        let message = |secret: &str| of(&[(SECRET, secret)]).unwrap_err().to_string();
        insta::assert_snapshot!(message("hunter2"), @"SESSION_BUDDY_SECRET has a secret of 7 bytes, and at least 32 are needed; make one with `openssl rand -base64 32`");
        insta::assert_snapshot!(message(&format!("{OLD},hunter2")), @"SESSION_BUDDY_SECRET has a secret of 7 bytes at place 2, and at least 32 are needed; make one with `openssl rand -base64 32`");
        insta::assert_snapshot!(message("CHANGEME"), @"SESSION_BUDDY_SECRET has a secret that everybody knows or can guess; make one with `openssl rand -base64 32`");
        insta::assert_snapshot!(message(&format!("{OLD},,{NEW}")), @"SESSION_BUDDY_SECRET has a place in its list that is empty");
        for known in [
            "changeme".repeat(5),
            "x".repeat(64),
            "A-string-secret-at-least-256-bits-long".to_owned(),
        ] {
            let error = of(&[(SECRET, &known)]).unwrap_err();
            assert!(matches!(error, SecretError::WellKnown { .. }), "{known}");
        }
    }

    /// `secrets.token_urlsafe(32)`, `secrets.token_hex(32)`, `openssl rand -base64 32`.
    #[test]
    fn what_the_documents_make_is_a_secret() {
        for made in [
            "hSc1dQfVQ1oh5EhwEIDgDtGzxuyEbW6TW8I1cW0Zf6Y",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        ] {
            assert!(of(&[(SECRET, made)]).unwrap().is_some(), "{made}");
        }
        assert!(of(&[]).unwrap().is_none());
        assert!(of(&[(SECRET, "")]).unwrap().is_none());
        assert!(of(&[(SECRET, " \n")]).unwrap().is_none());
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secrets = of(&[(SECRET, OLD)]).unwrap().unwrap();
        assert_eq!(format!("{secrets:?}"), "1 secrets of SESSION_BUDDY_SECRET");
    }
}
