//! Compares all that the server shows with all that it was told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::client::Told;
use crate::http::Connection;

const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// The part of a session record that we compare.
#[derive(Deserialize)]
struct Record {
    session_id: String,
    event_id: String,
    status: String,
}

/// Checks that every acknowledgement is kept, exactly once, and that nothing else is there.
pub(super) async fn everything(address: SocketAddr, told: &[Told]) -> Result<()> {
    let records = all(address).await.context("could not list the sessions")?;
    compare(&records, told)
}

fn compare(records: &[Record], told: &[Told]) -> Result<()> {
    let mut by_event: HashMap<&str, &Record> = HashMap::with_capacity(records.len());
    let mut by_session: HashMap<&str, &Record> = HashMap::with_capacity(records.len());
    for record in records {
        ensure!(
            by_event.insert(&record.event_id, record).is_none(),
            "start {} is there twice",
            record.event_id
        );
        ensure!(
            by_session.insert(&record.session_id, record).is_none(),
            "{} is there twice",
            record.session_id
        );
    }
    for told in told {
        let record = by_event.remove(told.event_id.as_str());
        match (record, &told.session_id) {
            (None, Some(session_id)) => bail!("{session_id} was acknowledged and is gone"),
            (None, None) => {}
            (Some(record), session_id) => {
                let same = session_id
                    .as_ref()
                    .is_none_or(|session_id| *session_id == record.session_id);
                ensure!(
                    same,
                    "{session_id:?} was acknowledged and is shown as {}",
                    record.session_id
                );
                ensure!(
                    told.may_be(&record.status),
                    "{} is shown as {}, which nobody reported",
                    record.session_id,
                    record.status
                );
            }
        }
    }
    ensure!(
        by_event.is_empty(),
        "{} sessions are there that nobody sent",
        by_event.len()
    );
    Ok(())
}

/// Every session, page by page.
async fn all(address: SocketAddr) -> Result<Vec<Record>> {
    let mut connection = Connection::open(address).await?;
    let mut records = Vec::new();
    let mut page = Some("/api/sessions?limit=1000".to_owned());
    while let Some(path) = page {
        let answer = tokio::time::timeout(PAGE_LIMIT, connection.get(&path))
            .await
            .context("no answer")??;
        ensure!(answer.status == 200, "{path}: {}", answer.excerpt());
        let next: Vec<Record> =
            serde_json::from_slice(answer.body).with_context(|| answer.excerpt())?;
        ensure!(
            !next.is_empty() || records.is_empty(),
            "{path} is an empty page"
        );
        records.extend(next);
        page = answer.header("link").and_then(next_page);
    }
    Ok(records)
}

/// The path of the link whose relation is `next`; the link may be relative or absolute.
fn next_page(links: &str) -> Option<String> {
    let link = links
        .split(", ")
        .find(|link| link.contains(r#"rel="next""#))?;
    let url = link.trim().strip_prefix('<')?.split('>').next()?;
    let path = match url.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => url,
    };
    Some(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_page_is_the_path_of_the_link_that_says_next() {
        assert_eq!(
            next_page(r#"</api/sessions?cursor=a>; rel="next""#).unwrap(),
            "/api/sessions?cursor=a"
        );
        let absolute =
            r#"<http://127.0.0.1:1/x>; rel="prev", <http://127.0.0.1:1/y?cursor=b,c>; rel="next""#;
        assert_eq!(next_page(absolute).unwrap(), "/y?cursor=b,c");
        assert_eq!(next_page(r#"</x>; rel="prev""#), None);
    }

    #[test]
    fn a_session_that_is_there_twice_is_found() {
        let record = |session_id: &str, event_id: &str| Record {
            session_id: session_id.to_owned(),
            event_id: event_id.to_owned(),
            status: "active".to_owned(),
        };
        let error = compare(&[record("a", "1"), record("b", "1")], &[]).unwrap_err();
        assert_eq!(error.to_string(), "start 1 is there twice");
        let error = compare(&[record("a", "1")], &[]).unwrap_err();
        assert_eq!(error.to_string(), "1 sessions are there that nobody sent");
    }
}
