//! HS256, by `jsonwebtoken` over `ring`, which the tree has already: the library's own backends are a second C library, or
//! come with an RSA implementation that leaks by its timing.

use std::sync::Once;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{self, Signer, Verifier},
};
use ring::hmac;
use serde_json::{Map, Value};

use super::TokenError;

/// What stands before the claims, as far as anybody here asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which key signed it, in the words of who signed.
    pub key_id: Option<String>,
}

/// Signs claims.
pub(super) fn sign(secret: &[u8], key_id: &str, claims: &Map<String, Value>) -> String {
    install();
    let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
    header.kid = Some(key_id.to_owned());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))
        .expect("HMAC signs everything, and claims are plain JSON")
}

/// Reads the header, which anybody may have written.
pub(super) fn header(token: &str) -> Result<Header, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.alg != Algorithm::HS256 {
        return Err(TokenError::Malformed);
    }
    if header.crit.is_some() {
        return Err(TokenError::Critical);
    }
    Ok(Header { key_id: header.kid })
}

/// Gives the claims of a token that this secret signed. Times and audience are the caller's to check, by its own clock.
pub(super) fn verify(secret: &[u8], token: &str) -> Result<Map<String, Value>, TokenError> {
    install();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode(token, &DecodingKey::from_secret(secret), &validation);
    match decoded {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        }),
    }
}

/// Reads a token without looking at its signature: what it says may be anybody's words.
///
/// # Errors
///
/// When it is no token.
pub fn insecure_read(token: &str) -> Result<(Header, Map<String, Value>), TokenError> {
    let header = header(token)?;
    let claims = jsonwebtoken::dangerous::insecure_decode_claims(token);
    Ok((header, claims.map_err(|_| TokenError::Malformed)?))
}

/// The library wants its cryptography named once for the process; a program that has named another one keeps it.
fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| {
            hmac_only(*algorithm)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            Ok(Box::new(Hs256(key)))
        },
        verifier_factory: |algorithm, key| {
            hmac_only(*algorithm)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?);
            Ok(Box::new(Hs256(key)))
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

fn hmac_only(algorithm: Algorithm) -> Result<(), Error> {
    match algorithm {
        Algorithm::HS256 => Ok(()),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Hs256(hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// Compares in constant time.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
