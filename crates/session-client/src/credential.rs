//! What a process has to say to a server of who it is, from its environment: a token that was issued to it, or a secret, of
//! which it makes short-lived tokens when they are needed. Neither is ever written down.

use std::{ffi::OsString, fmt, sync::Arc};

use nix::unistd::{Uid, User};
use session_model::{ComponentName, Timestamp};

use crate::token::{
    Claims, EMITTERS_SECRET, SECRET, Scopes, SecretError, Secrets, insecure_read, lookup,
};

/// The variable with a token that was issued.
pub const TOKEN: &str = "SESSION_BUDDY_TOKEN";
/// How long a token is good that is made for one call: 5 minutes.
const LIFE_SECONDS: i64 = 300;

/// A variable lookup that outlives its maker.
type Variable = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// What a process has to say of who it is.
#[derive(Clone)]
pub struct Credential(Kind);

#[derive(Clone)]
enum Kind {
    /// A token.
    Issued(String),
    /// A token in a file, which whoever issues tokens renews: read anew for each use.
    InFile(Variable),
    /// A secret that makes tokens for this user.
    Secret { secrets: Secrets, subject: String },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Issued(_) => TOKEN,
            Kind::InFile(_) => "SESSION_BUDDY_TOKEN_FILE",
            Kind::Secret { secrets, .. } => secrets.variable(),
        })
    }
}

impl Credential {
    /// Takes `SESSION_BUDDY_TOKEN`; else makes tokens with `SESSION_BUDDY_SECRET`, else with
    /// `MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET`; each also as `_FILE`. None where nothing is set.
    ///
    /// # Errors
    ///
    /// When what is set cannot be used.
    pub fn from_environment(
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, SecretError> {
        if let Some((token, from)) = lookup(TOKEN, variable)? {
            if from == TOKEN {
                return Ok(Some(Self(Kind::Issued(token))));
            }
            let file = variable(&from);
            let again = move |name: &str| file.clone().filter(|_| name == from);
            return Ok(Some(Self(Kind::InFile(Arc::new(again)))));
        }
        for name in [SECRET, EMITTERS_SECRET] {
            if let Some(secrets) = Secrets::from_environment(name, variable)? {
                let subject = user_name();
                return Ok(Some(Self(Kind::Secret { secrets, subject })));
            }
        }
        Ok(None)
    }

    /// Tells whether it may speak for a component, as far as can be seen from here.
    pub fn speaks_for(&self, component: &str) -> bool {
        match &self.0 {
            Kind::Secret { .. } => true,
            Kind::Issued(token) => is_for(token, component),
            Kind::InFile(file) => {
                // One that cannot be read is told of when it is used.
                let token = lookup(TOKEN, &**file).ok().flatten();
                token.is_none_or(|(token, _)| is_for(&token, component))
            }
        }
    }

    /// Gives the subject that a server would know the bearer by, as far as can be seen from here; it may count as claimed
    /// there.
    pub fn subject(&self) -> Option<String> {
        let of_token = |token: &str| {
            let (_, claims) = insecure_read(token).ok()?;
            Some(Claims::read(&claims).ok()?.subject)
        };
        match &self.0 {
            Kind::Issued(token) => of_token(token),
            Kind::InFile(file) => of_token(&lookup(TOKEN, &**file).ok()??.0),
            Kind::Secret { subject, .. } => Some(subject.clone()),
        }
    }

    /// Gives a token for something: where it is made here it is good for that alone, for a component alone where one is
    /// given, and for five minutes.
    ///
    /// # Errors
    ///
    /// When its file cannot be read.
    pub fn token(
        &self,
        scopes: Scopes,
        component: Option<&str>,
        now: Timestamp,
    ) -> Result<String, SecretError> {
        match &self.0 {
            Kind::Issued(token) => Ok(token.clone()),
            Kind::InFile(file) => {
                let token = lookup(TOKEN, &**file)?;
                Ok(token.map(|(token, _)| token).unwrap_or_default())
            }
            Kind::Secret { secrets, subject } => {
                let now = now.as_micros().div_euclid(1_000_000);
                let component = component.and_then(|component| component.parse().ok());
                Ok(secrets.sign(&Claims {
                    issuer: component.clone(),
                    component,
                    issued_at: Some(now),
                    ..Claims::new(subject.clone(), scopes, now + LIFE_SECONDS)
                }))
            }
        }
    }
}

/// Tells whether a token claims no other component than this one. What is no token of ours is the server's to judge.
fn is_for(token: &str, component: &str) -> bool {
    let bound: Option<ComponentName> = insecure_read(token)
        .ok()
        .and_then(|(_, claims)| Claims::read(&claims).ok()?.component);
    bound.is_none_or(|bound| bound.as_str() == component)
}

fn user_name() -> String {
    let uid = Uid::effective();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    name.filter(|name| crate::token::is_subject(name))
        .unwrap_or_else(|| format!("user-{uid}"))
}

/// Says what to do about a refusal that a better credential would mend; none where another thing is wrong. `cause` is what
/// a server said, its code in it.
pub fn advice(cause: &str) -> Option<&'static str> {
    let advices = [
        (
            "TOKEN_REQUIRED",
            "the server wants a token: set SESSION_BUDDY_TOKEN, or its secret, as its administrator says",
        ),
        (
            "TOKEN_EXPIRED",
            "the token has expired: ask the server's administrator for another SESSION_BUDDY_TOKEN",
        ),
        (
            "TOKEN_REVOKED",
            "the token was revoked: ask the server's administrator for another SESSION_BUDDY_TOKEN",
        ),
        (
            "TOKEN_INVALID",
            "the server does not know the token or secret of this environment: compare it with the server's",
        ),
        (
            "FORBIDDEN",
            "the token of this environment does not allow it: ask the server's administrator for one that does",
        ),
    ];
    let found = advices.into_iter().find(|(code, _)| cause.contains(code));
    found.map(|(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "hSc1dQfVQ1oh5EhwEIDgDtGzxuyEbW6TW8I1cW0Zf6Y";

    fn of(pairs: &[(&'static str, &str)]) -> Option<Credential> {
        let find = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| OsString::from(value))
        };
        Credential::from_environment(&find).unwrap()
    }

    fn now() -> Timestamp {
        "2026-02-06T22:05:00Z".parse().unwrap()
    }

    #[test]
    fn a_secret_makes_tokens_that_are_good_for_one_thing() {
        let credential = of(&[(SECRET, LONG)]).unwrap();
        let token = credential
            .token(Scopes::EMIT, Some("billing"), now())
            .unwrap();
        let (_, claims) = insecure_read(&token).unwrap();
        let claims = Claims::read(&claims).unwrap();
        assert_eq!(claims.scopes, Scopes::EMIT);
        assert_eq!(claims.component, Some("billing".parse().unwrap()));
        assert_eq!(claims.expires_at - claims.issued_at.unwrap(), LIFE_SECONDS);
        assert!(credential.speaks_for("billing") && credential.speaks_for("akosha"));
        assert_eq!(format!("{credential:?}"), SECRET);
    }

    #[test]
    fn an_issued_token_comes_first_and_speaks_for_its_component_alone() {
        let issuer = of(&[(EMITTERS_SECRET, LONG)]).unwrap();
        let bound = issuer.token(Scopes::EMIT, Some("billing"), now()).unwrap();
        let credential = of(&[(TOKEN, &bound), (SECRET, LONG)]).unwrap();
        let given = credential
            .token(Scopes::ADMIN, Some("akosha"), now())
            .unwrap();
        assert_eq!(given, bound);
        assert!(credential.speaks_for("billing") && !credential.speaks_for("akosha"));
        let opaque = of(&[(TOKEN, "opaque")]).unwrap();
        assert!(opaque.speaks_for("akosha"));
        assert!(of(&[]).is_none());
    }

    #[test]
    fn a_token_in_a_file_may_be_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first\n").unwrap();
        let credential = of(&[("SESSION_BUDDY_TOKEN_FILE", file.to_str().unwrap())]).unwrap();
        let token = || credential.token(Scopes::EMIT, None, now());
        assert_eq!(token().unwrap(), "first");
        std::fs::write(&file, "second\n").unwrap();
        assert_eq!(token().unwrap(), "second");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(token(), Err(SecretError::File { .. })));
    }
}
