//! Whether a request may pass: what [`crate::auth`] says of it, said to its caller, the log and the ledger.

use axum::http::{HeaderMap, header};
use serde_json::Value;
use session_model::{ActName, Deed, escape::for_line};
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use super::{App, Problem, api::internal};
use crate::{
    auth::{Caller, Gate, Needs, Peer, Refusal, Right},
    network::{Full, count},
};

/// The most characters of a route or tool that are told.
const WHAT_CHARACTERS_MAX: usize = 100;

/// Takes the token out of the header `Authorization`; none where there is no such header.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    const EXPECTED: Refusal = Refusal::NoToken("expected one header `Authorization: Bearer TOKEN`");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(EXPECTED);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(EXPECTED)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim()))
    } else {
        Err(EXPECTED)
    }
}

/// Takes the text of a token argument; none where it says nothing.
pub(super) fn token_text(argument: &Value) -> Result<Option<&str>, Refusal> {
    match argument {
        Value::Null => Ok(None),
        Value::String(token) if token.is_empty() => Ok(None),
        Value::String(token) => Ok(Some(token)),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Refusal::NoToken("the argument `token` is no text"))
        }
    }
}

impl App {
    /// Lets a connection in, with the token in the header of its request.
    pub(super) async fn admit(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Caller, Problem> {
        let admitted = match bearer(headers) {
            // Nobody needs one, and nobody can tell whether it is good.
            Err(_) if !self.gate.wants_tokens() => self.gate.admit(peer.clone(), None),
            Err(refusal) => Err(refusal),
            Ok(token) => self.gate.admit(peer.clone(), token),
        };
        match admitted {
            Ok(caller) => Ok(caller),
            Err(refusal) => Err(self.refuse(refusal, &Caller::of(peer), what).await),
        }
    }

    /// Gives the caller with the token of an argument in place of what it had.
    pub(super) async fn with_token(
        &self,
        caller: Caller,
        argument: &Value,
        what: &str,
    ) -> Result<Caller, Problem> {
        let with_token = match token_text(argument) {
            Ok(None) => return Ok(caller),
            Err(_) if !self.gate.wants_tokens() => return Ok(caller),
            Err(refusal) => Err(refusal),
            Ok(Some(token)) => self.gate.with_token(caller.clone(), token),
        };
        match with_token {
            Ok(caller) => Ok(caller),
            Err(refusal) => Err(self.refuse(refusal, &caller, what).await),
        }
    }

    /// Lets a caller have what needs this.
    pub(super) async fn allow(
        &self,
        caller: &Caller,
        needs: Needs,
        what: &str,
    ) -> Result<(), Problem> {
        let allowed = if needs == Needs::Nothing || needs == Needs::Right(Right::Emit) {
            self.gate.allow(caller, needs)
        } else {
            // The first look at a TCP peer reads /proc.
            let (gate, caller) = (self.gate.clone(), caller.clone());
            spawn_blocking(move || gate.allow(&caller, needs))
                .await
                .map_err(|_| internal("the look at the peer failed"))?
        };
        match allowed {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refuse(refusal, caller, what).await),
        }
    }

    /// Says that something is refused: counts it, writes it into the log, and into the ledger where somebody known wanted
    /// what is not allowed.
    pub(super) async fn refuse(&self, refusal: Refusal, caller: &Caller, what: &str) -> Problem {
        let what: String = what.chars().take(WHAT_CHARACTERS_MAX).collect();
        self.gate.refused(&refusal);
        if refusal.is_of_bad_token()
            && let Err(full) = self.traffic.bad_token(&caller.peer)
        {
            return self.limited(full, caller, "tokens that are not good come from here");
        }
        if self.traffic.may_log(&caller.peer) {
            Gate::log(&refusal, &caller.name(), &what);
        }
        let known = caller.token.is_some() || caller.peer.known_owner().is_some();
        let telling = refusal == Refusal::Revoked || (known && !refusal.wants_token());
        if telling && self.gate.may_record() {
            let deed = Deed {
                what: Some(what),
                code: Some(refusal.code().to_string()),
                ..Deed::new(ActName::Refused)
            };
            let subject = caller.subject().map(str::to_owned);
            let recorded = self.tracker.record(deed, caller.origin(), subject).await;
            if let Err(failure) = recorded {
                error!("A refusal could not be recorded: {failure}");
            }
        }
        refusal.into()
    }

    /// Says that somebody goes too fast, or that there is no room: counts it, and writes it into the log now and then.
    pub(super) fn limited(&self, full: Full, caller: &Caller, what: &str) -> Problem {
        let counters = self.traffic.counters();
        count(match full {
            Full::Overloaded => &counters.overloaded,
            Full::TooMuch(_) => &counters.rate_limited,
        });
        if self.traffic.may_log(&caller.peer) {
            let who = caller.name();
            let who = for_line(&who);
            warn!(%who, "Too many {what} (from {who})");
        }
        Problem::full(full, what)
    }
}
