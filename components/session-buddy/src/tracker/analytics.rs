//! Questions about many sessions.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use session_model::{AnalyticsReport, SessionFilter, Timestamp};

use super::{ListRequest, Tracker};
use crate::{
    analytics::{
        Findings, Question, Scope, Total, Wanted,
        request::{ReportRequest, ViewName, ViewRequest},
        rows,
        views::{ActiveSession, ComponentUsage, ErrorRate, Named, SessionStats, View},
    },
    store::StoreError,
};

/// How many active sessions are taken from the store at once.
const PAGE: usize = 1000;

impl Tracker {
    /// Answers a question about many sessions.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn report(&self, request: &ReportRequest) -> Result<AnalyticsReport, StoreError> {
        let findings = self.store.analyze(request.question()).await?;
        Ok(rows::report(request, findings))
    }

    /// Gives one of the views that have shapes of their own.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn view(&self, request: &ViewRequest) -> Result<View, StoreError> {
        let wanted = match request.view {
            ViewName::Active => return self.active().await.map(View::Active),
            ViewName::Errors => Wanted::Errors,
            ViewName::Sessions | ViewName::Duration | ViewName::Components => Wanted::Totals,
        };
        let question = Question {
            scope: self.last_days(request),
            wanted,
        };
        let totals = match self.store.analyze(question).await? {
            Findings::Totals(totals) => totals,
            Findings::Buckets(_) => BTreeMap::new(),
        };
        Ok(match request.view {
            ViewName::Sessions => View::Sessions(
                most_first(totals)
                    .map(|(name, total)| SessionStats::of(name, &total, request.days))
                    .collect(),
            ),
            ViewName::Components => View::Components(
                most_first(totals)
                    .take(request.limit)
                    .map(|(name, total)| ComponentUsage::of(name, &total))
                    .collect(),
            ),
            ViewName::Duration => {
                let mean = |(name, total): (String, Total)| {
                    total.aggregate.mean_seconds().map(|mean| (name, mean))
                };
                let mut means: Vec<_> = totals.into_iter().filter_map(mean).collect();
                means.sort_by(|(_, a), (_, b)| b.total_cmp(a));
                View::Duration(Named(means))
            }
            ViewName::Errors | ViewName::Active => {
                let rate = |(name, total)| (name, ErrorRate::of(total));
                let mut rates: Vec<_> = totals.into_iter().map(rate).collect();
                rates.sort_by(|(_, a), (_, b)| b.error_rate.total_cmp(&a.error_rate));
                View::Errors(Named(rates))
            }
        })
    }

    /// Days are 24 hours each, back from now.
    fn last_days(&self, request: &ViewRequest) -> Scope {
        let back = SignedDuration::from_hours(-24 * i64::from(request.days));
        let after: Timestamp = self.clock.now().saturating_add(back);
        Scope {
            components: request.component.iter().cloned().collect(),
            after: Some(after),
            ..Scope::default()
        }
    }

    async fn active(&self) -> Result<Vec<ActiveSession>, StoreError> {
        let (mut active, mut cursor) = (Vec::new(), None);
        loop {
            let request = ListRequest {
                filter: SessionFilter {
                    incomplete: true,
                    ..SessionFilter::default()
                },
                cursor,
                limit: PAGE,
                count: false,
            };
            let listing = self.list(request).await?;
            active.extend(listing.sessions.into_iter().map(ActiveSession::of));
            cursor = listing.next;
            if cursor.is_none() {
                return Ok(active);
            }
        }
    }
}

/// Orders components by how many sessions they have, and then by name.
fn most_first(totals: BTreeMap<String, Total>) -> impl Iterator<Item = (String, Total)> {
    let mut totals: Vec<_> = totals.into_iter().collect();
    totals.sort_by_key(|(_, total)| std::cmp::Reverse(total.aggregate.sessions));
    totals.into_iter()
}
