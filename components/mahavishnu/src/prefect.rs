//! A Prefect server, asked over its REST API what it runs.
//!
//! `PREFECT_API_URL` says where, as for Prefect's own programs (`http://127.0.0.1:4200/api`); `PREFECT_API_KEY` is sent as
//! a bearer token. It is only read from: flows are started there, with Prefect's own means.

use std::time::Duration;

use http_body_util::Empty;
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use reqwest::{Client, RequestBuilder, Url, redirect};
use serde::Deserialize;
use serde_json::json;
use session_model::Timestamp;
use tokio::{net::TcpStream, runtime::Runtime};

use crate::{adapters::PREFECT, record::Status, store::Remote};

/// The most flow runs that are asked for, the newest of them: Prefect gives at most 200 at once.
const RUNS_MAX: usize = 200;
/// The largest answer that is read: 200 runs take some hundred KiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a Prefect server is.
#[derive(Clone, Debug)]
pub struct Prefect {
    url: Url,
    key: Option<String>,
}

/// Why Prefect has not answered.
#[derive(Debug, thiserror::Error)]
pub enum PrefectError {
    /// The address is none.
    #[error("PREFECT_API_URL is no http or https address: {0}")]
    Address(String),
    /// It cannot be reached, or does not answer in time.
    #[error("Prefect at {place} does not answer: {problem}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        problem: String,
    },
    /// It answers something else.
    #[error("Prefect at {place} answers otherwise than expected: {problem}")]
    Answer {
        /// Where.
        place: String,
        /// How.
        problem: String,
    },
}

/// A flow run as Prefect's `POST /flow_runs/filter` gives it, of which more fields are not read.
#[derive(Debug, Deserialize)]
struct FlowRun {
    id: String,
    name: String,
    created: String,
    updated: Option<String>,
    state_type: Option<String>,
    state: Option<State>,
}

#[derive(Debug, Deserialize)]
struct State {
    message: Option<String>,
}

impl Prefect {
    /// Takes the server that the environment names; `None` if it names none.
    ///
    /// # Errors
    ///
    /// What it names is no address.
    pub fn of_this_process() -> Option<Result<Self, PrefectError>> {
        let url = std::env::var("PREFECT_API_URL").ok()?;
        let key = std::env::var("PREFECT_API_KEY").ok();
        let filled = |text: &String| !text.trim().is_empty();
        Some(url)
            .filter(filled)
            .map(|url| Self::new(&url, key.filter(filled)))
    }

    /// Takes a server by the address of its API.
    ///
    /// # Errors
    ///
    /// It is no address.
    pub fn new(url: &str, key: Option<String>) -> Result<Self, PrefectError> {
        // What it says is not repeated: a password may stand in it.
        let wrong = |problem: &str| PrefectError::Address(problem.to_owned());
        // A base without a slash at its end would lose its last part.
        let url = format!("{}/", url.trim().trim_end_matches('/'));
        let url: Url = url.parse().map_err(|_| wrong("it cannot be read"))?;
        match url.scheme() {
            "http" | "https" => Ok(Self { url, key }),
            _ => Err(wrong("its scheme is another one")),
        }
    }

    /// Says where it is, without what may be secret.
    pub fn place(&self) -> String {
        let mut url = self.url.clone();
        // Neither can fail where there is a host.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_query(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks whether it is there, and gives its version.
    ///
    /// # Errors
    ///
    /// It does not answer in time.
    pub fn version(&self, patience: Duration) -> Result<String, PrefectError> {
        self.ask(patience, |client, url| client.get(url("admin/version")))
    }

    /// Asks whether it is there, without what makes the first request over TLS slow: 20 ms, more than a prompt may take. So a
    /// server that speaks only https is not asked, and counts as one that has not answered in time.
    pub fn is_healthy_at_once(&self, patience: Duration) -> bool {
        let Ok(runtime) = runtime() else {
            return false;
        };
        runtime.block_on(async {
            let answer = tokio::time::timeout(patience, self.health()).await;
            matches!(answer, Ok(Some(status)) if status.is_success())
        })
    }

    async fn health(&self) -> Option<StatusCode> {
        let host = self
            .url
            .host_str()
            .filter(|_| self.url.scheme() == "http")?;
        let port = self.url.port_or_known_default()?;
        // An address in brackets is one of IPv6.
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
            .await
            .ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let mut request = Request::get(format!("{}health", self.url.path()))
            .header("host", format!("{host}:{port}"));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Empty::<Bytes>::new()).ok()?;
        // It only moves bytes, and ends with the runtime.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        Some(answer.ok()?.status())
    }

    /// Asks for its newest flow runs.
    ///
    /// # Errors
    ///
    /// It does not answer in time, or something else.
    pub fn flow_runs(&self, patience: Duration) -> Result<Vec<Remote>, PrefectError> {
        let body = json!({"sort": "EXPECTED_START_TIME_DESC", "limit": RUNS_MAX}).to_string();
        let runs: Vec<FlowRun> = self.ask(patience, |client, url| {
            let request = client.post(url("flow_runs/filter"));
            request
                .header("content-type", "application/json")
                .body(body)
        })?;
        runs.into_iter().map(|run| self.remote(run)).collect()
    }

    fn remote(&self, run: FlowRun) -> Result<Remote, PrefectError> {
        let time = |text: &str| {
            let read: Result<Timestamp, _> = text.parse();
            read.map_err(|error| self.otherwise(format!("flow run {}: {error}", run.id)))
        };
        let created_at = time(&run.created)?;
        let updated_at = run.updated.as_deref().map_or(Ok(created_at), time)?;
        let status = status(run.state_type.as_deref().unwrap_or("PENDING"));
        let digits = run.id.chars().filter(char::is_ascii_alphanumeric).take(12);
        let message = run
            .state
            .and_then(|state| state.message)
            .filter(|text| !text.is_empty());
        let is_bad = matches!(status, Status::Failed | Status::Crashed);
        Ok(Remote {
            id: format!("{PREFECT}-{}", digits.collect::<String>()),
            adapter: PREFECT,
            status,
            created_at,
            updated_at,
            error: is_bad.then(|| {
                format!(
                    "{}: {}",
                    run.name,
                    message.as_deref().unwrap_or(status.word())
                )
            }),
            remote_id: run.id,
            task: run.name,
        })
    }

    /// Sends a request and reads its answer, both within `patience`.
    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        patience: Duration,
        request: impl FnOnce(&Client, &dyn Fn(&str) -> Url) -> RequestBuilder,
    ) -> Result<T, PrefectError> {
        let url = |path: &str| {
            self.url
                .join(path)
                .expect("the paths here are constants that join")
        };
        let unreachable = |error: &dyn std::error::Error| PrefectError::Unreachable {
            place: self.place(),
            problem: innermost(error),
        };
        let runtime = runtime().map_err(|error| unreachable(&error))?;
        runtime.block_on(async {
            // Another part of the process may have chosen it before, and chosen the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client = Client::builder()
                // The key is for this server.
                .redirect(redirect::Policy::none())
                .timeout(patience)
                .build()
                .map_err(|error| unreachable(&error))?;
            let mut request = request(&client, &url);
            if let Some(key) = &self.key {
                request = request.bearer_auth(key);
            }
            let mut answer = request.send().await.map_err(|error| unreachable(&error))?;
            if !answer.status().is_success() {
                return Err(self.otherwise(answer.status().to_string()));
            }
            let mut body = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(|error| unreachable(&error))? {
                body.extend_from_slice(&part);
                if body.len() > ANSWER_BYTES_MAX {
                    return Err(self.otherwise(format!("over {ANSWER_BYTES_MAX} bytes")));
                }
            }
            serde_json::from_slice(&body).map_err(|error| self.otherwise(error.to_string()))
        })
    }

    fn otherwise(&self, problem: String) -> PrefectError {
        PrefectError::Answer {
            place: self.place(),
            problem,
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().enable_time().build()
}

/// Gives the cause of all causes, which says what a person can act on: `Connection refused`.
fn innermost(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// Gives our word for a type of state, of which Prefect 3 has nine.
fn status(state_type: &str) -> Status {
    match state_type {
        "COMPLETED" => Status::Completed,
        "FAILED" => Status::Failed,
        "CRASHED" => Status::Crashed,
        "CANCELLED" => Status::Interrupted,
        "RUNNING" | "CANCELLING" => Status::Running,
        // SCHEDULED, PENDING, PAUSED, and what a later version may have: it is not over.
        _ => Status::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_and_shown_without_secrets() {
        let prefect = Prefect::new(" http://me:hunter2@localhost:4200/api/?key=x ", None);
        assert_eq!(prefect.unwrap().place(), "http://localhost:4200/api");
        for wrong in ["localhost", "ftp://localhost/api", ""] {
            let error = Prefect::new(wrong, None).unwrap_err().to_string();
            assert!(
                error.starts_with("PREFECT_API_URL is no http or https address: "),
                "{error}"
            );
        }
    }
    #[test]
    fn each_type_of_state_has_a_word() {
        for (types, expected) in [
            ("COMPLETED", "completed"),
            ("FAILED", "failed"),
            ("CRASHED", "crashed"),
            ("CANCELLED", "interrupted"),
            ("RUNNING CANCELLING", "running"),
            ("SCHEDULED PENDING PAUSED LATER", "pending"),
        ] {
            for state_type in types.split(' ') {
                assert_eq!(status(state_type).word(), expected, "{state_type}");
            }
        }
    }
}
