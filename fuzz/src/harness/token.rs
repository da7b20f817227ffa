//! Tokens: what was not signed is never accepted, whatever it looks like; what was signed is never more than it says.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use session_client::token::{Claims, SECRET, Secrets};
use session_model::Timestamp;

use super::{Door, Harness, assert_harmless, kind_of};

pub(super) const DOOR: Door = Door {
    name: "token",
    open: || Box::new(Tokens::new()),
};

/// The corpus has tokens that this one signed.
const KEY: &str = "a-secret-of-the-fuzzer-that-nobody-else-has";

struct Tokens {
    secrets: Secrets,
    key: hmac::Key,
}

impl Tokens {
    fn new() -> Self {
        let secrets =
            Secrets::from_environment(SECRET, &|name| (name == SECRET).then(|| KEY.into()));
        Self {
            secrets: secrets.ok().flatten().expect("the secret is long enough"),
            key: hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()),
        }
    }

    fn is_signed(&self, token: &str) -> bool {
        let Some((message, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes());
        signature
            .is_ok_and(|signature| hmac::verify(&self.key, message.as_bytes(), &signature).is_ok())
    }

    fn judged(&self, token: &str) -> String {
        let claims = match self.secrets.verify(token) {
            Ok(claims) => claims,
            Err(error) => {
                let text = error.to_string();
                assert_harmless(&text);
                return kind_of(&text);
            }
        };
        assert!(self.is_signed(token), "accepted, and not signed: {token:?}");
        match Claims::read(&claims) {
            Ok(claims) => {
                assert!(!claims.subject.is_empty());
                let again = Claims::read(&claims.to_json());
                assert_eq!(
                    again.as_ref(),
                    Ok(&claims),
                    "what it writes is read as the same"
                );
                let now: Timestamp = "2026-11-27T12:00:00Z".parse().expect("it is a time");
                let time = claims.check_time(now);
                assert!(time.is_err() || claims.expires_at > now.as_micros() / 1_000_000 - 3_600);
                let words: Vec<_> = claims.scopes.words().collect();
                format!("{words:?} {}", time.is_ok())
            }
            Err(error) => {
                let text = error.to_string();
                assert_harmless(&text);
                kind_of(&text)
            }
        }
    }
}

impl Harness for Tokens {
    /// Takes the input as a token, and as claims that are signed: else no change of a token would come past the signature.
    fn take(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let bare = self.judged(&text);
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let message = format!("{header}.{}", BASE64URL_NOPAD.encode(input));
        let signature = hmac::sign(&self.key, message.as_bytes());
        let signed = format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()));
        format!("{bare} | {}", self.judged(&signed))
    }
}
