//! A server, read over all its pages.

use std::{env, io, time::Duration};

use serde::de::{DeserializeOwned, IgnoredAny};
use session_client::{
    Clock, ConnectionError, Credential, Destination, PAGE_MAX, Reader, ReaderError, credential,
};
use session_model::SessionFilter;
use tokio::{sync::oneshot, time::timeout};

use super::{Question, SourceError, Whole};

/// Reads a server until its end, or until nobody wants it.
pub(super) fn read<T: DeserializeOwned>(
    destination: Destination,
    question: &Question,
    unwanted: &mut oneshot::Receiver<()>,
    hand_over: &mut impl FnMut(Vec<T>) -> bool,
) -> Result<Whole, SourceError> {
    let runtime = runtime().map_err(|error| SourceError::of(&error))?;
    runtime.block_on(async {
        tokio::select! {
            outcome = pages(destination, question, hand_over) => outcome,
            _ = unwanted => Ok(Whole::Cut),
        }
    })
}

/// Tells whether a server answers that fast.
pub(super) fn answers(destination: Destination, patience: Duration) -> bool {
    let Ok(runtime) = runtime() else {
        return false;
    };
    runtime.block_on(async {
        let question = Question {
            filter: SessionFilter::default(),
            sessions_max: 1,
        };
        let mut ignored = |_: Vec<IgnoredAny>| true;
        let answer = pages(destination, &question, &mut ignored);
        matches!(timeout(patience, answer).await, Ok(Ok(_)))
    })
}

/// Makes a runtime for this thread alone.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}

async fn pages<T: DeserializeOwned>(
    destination: Destination,
    question: &Question,
    hand_over: &mut impl FnMut(Vec<T>) -> bool,
) -> Result<Whole, SourceError> {
    let mut reader = connect(destination).await?;
    let (mut left, mut cursor) = (question.sessions_max, None);
    loop {
        let limit = left.min(PAGE_MAX);
        let page = reader
            .list::<T>(&question.filter, limit, cursor.as_deref())
            .await?;
        left = left.saturating_sub(page.sessions.len());
        // A page without sessions would be asked for again and again.
        let is_last = page.next.is_none() || page.sessions.is_empty();
        if !page.sessions.is_empty() && !hand_over(page.sessions) {
            return Ok(Whole::Cut);
        }
        match (is_last, left) {
            (true, _) => return Ok(Whole::Yes),
            (false, 0) => return Ok(Whole::Cut),
            (false, _) => cursor = page.next,
        }
    }
}

/// Connects, and says who asks where the environment knows that.
async fn connect(destination: Destination) -> Result<Reader, SourceError> {
    let credential = Credential::from_environment(&|name| env::var_os(name))
        .map_err(|error| SourceError::of(&error))?;
    let reader = Reader::connect(destination).await?;
    Ok(match credential {
        Some(credential) => reader.with_credential(credential, Clock::system()),
        None => reader,
    })
}

impl From<ReaderError> for SourceError {
    fn from(error: ReaderError) -> Self {
        let told = Self::of(&error);
        match error {
            ReaderError::Connection(ConnectionError::Unreachable { .. }) => Self {
                is_unreachable: true,
                ..told.hint("start a server with `session-buddy mcp start`")
            },
            ReaderError::Refused(problem) => match credential::advice(&problem.code) {
                Some(advice) => told.hint(advice),
                None => told,
            },
            ReaderError::Connection(
                ConnectionError::Stranger { .. } | ConnectionError::Broken { .. },
            )
            | ReaderError::Credential(_)
            | ReaderError::Foreign { .. } => told,
        }
    }
}
