//! What a server lists, read the way every client reads it.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use session_client::{Destination, PAGE_MAX, Page, Reader};
use session_model::SessionFilter;

/// Gives all sessions, page by page; `T` is what is wanted of each.
pub(crate) async fn all<T: DeserializeOwned>(address: SocketAddr) -> Result<Vec<T>> {
    let mut reader = Reader::connect(Destination::Http(address.to_string())).await?;
    let everything = SessionFilter::default();
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = reader
            .list(&everything, PAGE_MAX, cursor.as_deref())
            .await
            .context("could not list the sessions")?;
        let Page { sessions, next } = page;
        ensure!(
            !sessions.is_empty() || next.is_none(),
            "a page is empty and not the last"
        );
        all.extend(sessions);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}
