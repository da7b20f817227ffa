//! Questions about many sessions: what is kept in sums is what comes of looking at each session.

mod answers;
pub(crate) mod laws;

use std::collections::{BTreeMap, BTreeSet};

use session_buddy::analytics::{
    Bucket, Calendar, Facts, Findings, Question, Tally, Total, Unit, Wanted,
};
use session_model::SessionRecord;

/// Answers a question the slow way, which the quick one must equal.
pub(crate) fn counted_one_by_one(
    records: impl Iterator<Item = SessionRecord>,
    question: &Question,
) -> Findings {
    let facts: Vec<_> = records
        .map(|record| Facts::of(&record))
        .filter(|facts| question.scope.has(facts))
        .collect();
    match &question.wanted {
        Wanted::Totals => Findings::Totals(totals(&facts, false)),
        Wanted::Errors => Findings::Totals(totals(&facts, true)),
        Wanted::Starts(calendar) => {
            let mut buckets = BTreeMap::new();
            for facts in &facts {
                *buckets.entry(bucket(calendar, facts)).or_default() += 1;
            }
            Findings::Buckets(buckets)
        }
        Wanted::Users(calendar) => {
            let mut users = BTreeMap::<_, BTreeSet<_>>::new();
            for facts in &facts {
                let users = users.entry(bucket(calendar, facts)).or_default();
                users.insert(&facts.username);
            }
            let count = |(bucket, users): (_, BTreeSet<_>)| (bucket, users.len() as u64);
            Findings::Buckets(users.into_iter().map(count).collect())
        }
    }
}

fn totals(facts: &[Facts], errors: bool) -> BTreeMap<String, Total> {
    let mut totals = BTreeMap::<String, Total>::new();
    let mut texts = BTreeMap::<_, BTreeMap<_, usize>>::new();
    for facts in facts {
        let total = totals.entry(facts.component_name.clone()).or_default();
        total.aggregate.add(facts);
        total.aggregate.quarters = Tally::default();
        if let Some(error) = &facts.error {
            let of_component = texts.entry(&facts.component_name).or_default();
            *of_component.entry(error).or_default() += 1;
        }
    }
    for (component, texts) in texts.into_iter().filter(|_| errors) {
        // Of equally common ones the last in this order, which is the first by its text.
        let common = texts.into_iter().rev().max_by_key(|(_, count)| *count);
        let total = totals.get_mut(component).unwrap();
        total.most_common_error = common.map(|(text, _)| text.clone());
    }
    totals
}

/// Finds the bucket by its name, as jiff writes dates.
fn bucket(calendar: &Calendar, facts: &Facts) -> Bucket {
    let bucket = calendar.bucket(facts.start_time.as_micros());
    let local = facts.start_time.as_jiff().to_zoned(calendar.zone.clone());
    let name = match calendar.unit {
        Unit::All => "all".to_owned(),
        Unit::Hour => {
            let offset = local.strftime("%::z").to_string();
            let offset = offset.strip_suffix(":00").unwrap_or(&offset);
            format!("{}{offset}", local.strftime("%Y-%m-%dT%H:00:00"))
        }
        Unit::Day => local.strftime("%Y-%m-%d").to_string(),
        Unit::Week => local.strftime("%G-W%V").to_string(),
        Unit::Month => local.strftime("%Y-%m").to_string(),
        Unit::HourOfWeek => local.strftime("%u %H").to_string(),
    };
    assert_eq!(calendar.name(bucket), name, "{local}");
    bucket
}
