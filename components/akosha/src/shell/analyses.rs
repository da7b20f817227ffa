//! The analyses as helpers: parse, read, look, show.

use std::{collections::HashSet, time::Duration};

use admin_shell::{Context, HelperError, Reply, Table, output::one_line};
use jiff::SignedDuration;
use layered_config::FromText;
use serde_json::Value;
use session_model::SessionFilter;

use super::{
    asking::{Asking, Progress, stopped, usage, work},
    showing,
};
use crate::{
    aggregate::{self, Query},
    detect::{self, Finding},
    field::Field,
    graph::{self, DEPTH_MAX, Start, StartError},
    history::{Name, Visit},
    search::{self, Index, Terms},
    selection,
    trends::{self, Metric, Window},
    words,
};

/// The most that a helper lists.
const LIMIT_MAX: usize = 100_000;
/// From how long before its first finding `detect` learns what is usual: 90 days, twelve times each hour of a week.
const LEARNED_FROM: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How many groups are followed, those with most sessions.
const GROUPS_MAX: usize = 20;

pub(super) fn aggregate(
    context: &Context,
    query: String,
    filters: Option<Value>,
    limit: usize,
) -> Result<Table, HelperError> {
    let query: Query = query.parse().map_err(usage)?;
    let limit = at_most(limit)?;
    let history = Asking::read(context, filters.as_ref())?.history(context)?;
    let zone = context.view().zone;
    let asked = query.clone();
    let found = work(context, move || {
        aggregate::aggregate(&history.visits, &asked, &zone, limit)
    })?;
    if found.left_out > 0 {
        let (shown, all) = (found.groups.len(), found.groups.len() + found.left_out);
        let which = if query.is_by_time() { "last" } else { "first" };
        context.tell(format_args!(
            "note: the {which} {shown} of {all} groups are shown; a higher limit shows more"
        ));
    }
    Ok(showing::groups(&query, &found))
}

pub(super) fn search(
    context: &Context,
    query: String,
    index: String,
    limit: usize,
    filters: Option<Value>,
) -> Result<Table, HelperError> {
    let terms: Terms = query.parse().map_err(usage)?;
    let indices = Index::read(&index).map_err(|problem| usage(format!("index: {problem}")))?;
    let limit = at_most(limit)?;
    let asking = Asking::read(context, filters.as_ref())?;
    let mut progress = Progress::new(context);
    let found = search::search(
        &asking.sources,
        &asking.filter,
        asking.settings.sessions_max,
        &(terms, indices, limit),
        &mut progress,
    );
    progress.end();
    let found = found.map_err(stopped)?;
    asking.tell(context, &found.asked)?;
    for (word, meant) in &found.meant {
        context.tell(one_line(&format!(
            "note: {word:?} is nowhere, did you mean {meant}?"
        )));
    }
    if found.only_some_words {
        context.tell("note: nothing has all of these words; these have some of them");
    }
    if found.matching > found.hits.len() {
        context.tell(format_args!(
            "note: the best {} of {} are shown; a higher limit shows more",
            found.hits.len(),
            found.matching
        ));
    }
    Ok(showing::hits(&found.hits, asking.sources.len() > 1))
}

pub(super) fn detect(
    context: &Context,
    metric: String,
    threshold: f64,
    window: Value,
    limit: usize,
    filters: Option<Value>,
) -> Result<Table, HelperError> {
    let metrics = detectable(&metric).map_err(|problem| usage(format!("metric: {problem}")))?;
    if !(0.0..=1.0).contains(&threshold) {
        return Err(usage(format!(
            "threshold: 0 to 1 is expected, found {threshold}"
        )));
    }
    let window = length("window", &window)?;
    let limit = at_most(limit)?;
    let mut asking = Asking::read(context, filters.as_ref())?;
    let wanted = asking.filter.clone();
    // What is usual is learned from everybody, and from before.
    let first = wanted.after.unwrap_or(context.view().now);
    asking.filter = SessionFilter {
        session_type: wanted.session_type.clone(),
        after: Some(first.saturating_add(-LEARNED_FROM)),
        before: wanted.before,
        ..SessionFilter::default()
    };
    let history = asking.history(context)?;
    let settings = detect::Settings {
        metrics,
        threshold,
        window,
    };
    let mut findings = work(context, move || found(&history.visits, &settings, &wanted))?;
    if findings.len() > limit {
        context.tell(format_args!(
            "note: the most surprising {limit} of {} are shown; a higher limit shows more",
            findings.len()
        ));
        findings.truncate(limit);
    }
    Ok(showing::findings(&findings))
}

/// Gives the findings with a session that is wanted.
fn found(visits: &[Visit], settings: &detect::Settings, wanted: &SessionFilter) -> Vec<Finding> {
    let mut findings = detect::detect(visits, settings);
    let taken: HashSet<&Name> = visits
        .iter()
        .filter(|visit| selection::takes(wanted, visit))
        .map(|visit| &visit.session_id)
        .collect();
    findings.retain(|finding| finding.sessions.iter().any(|id| taken.contains(id)));
    findings
}

fn detectable(text: &str) -> Result<Vec<detect::Metric>, String> {
    let all = detect::Metric::ALL;
    let named = all.map(|metric| (metric.as_str(), metric));
    words::several("metric", text, &all, &named)
}

pub(super) fn graph(
    context: &Context,
    query: String,
    node_type: Option<String>,
    depth: usize,
    limit: usize,
    dot: bool,
    filters: Option<Value>,
) -> Result<Reply, HelperError> {
    let start = Start::read(&query, node_type.as_deref()).map_err(usage)?;
    if !(1..=DEPTH_MAX).contains(&depth) {
        return Err(usage(format!(
            "depth: 1 to {DEPTH_MAX} is expected, found {depth}"
        )));
    }
    let limit = at_most(limit)?;
    let history = Asking::read(context, filters.as_ref())?.history(context)?;
    let graph = work(context, move || {
        let start = start.find(&history.visits)?;
        Ok(graph::build(&history.visits, &start, depth, limit))
    })?;
    let graph =
        graph.map_err(|error: StartError| HelperError::new(one_line(&error.to_string())))?;
    if graph.left_out > 0 {
        context.tell(format_args!(
            "note: {} weaker edges are left out; a higher limit shows more",
            graph.left_out
        ));
    }
    if graph.sessions_left_out > 0 {
        context.tell(format_args!(
            "note: {} older sessions of it are left out",
            graph.sessions_left_out
        ));
    }
    Ok(if dot {
        let text = graph::dot(&graph).trim_end().to_owned();
        Reply::Shown {
            value: text.as_str().into(),
            text,
        }
    } else {
        showing::graph(context, &graph)
    })
}

pub(super) fn trends(
    context: &Context,
    metric: String,
    window: Value,
    granularity: Value,
    by: Option<String>,
    filters: Option<Value>,
) -> Result<Reply, HelperError> {
    let metrics = Metric::read(&metric).map_err(|problem| usage(format!("metric: {problem}")))?;
    let window = length("window", &window)?;
    let granularity = length("granularity", &granularity)?;
    let by = by.map(|name| Field::read(&name)).transpose();
    let by = by.map_err(|problem| usage(format!("by: {problem}")))?;
    let mut asking = Asking::read(context, filters.as_ref())?;
    let view = context.view();
    let end = asking.filter.before.unwrap_or(view.now);
    let window = Window::new(end, window, granularity).map_err(usage)?;
    if asking.filter.after.is_some() {
        return Err(usage(
            "after: a trend begins where its window does; say `window` instead",
        ));
    }
    asking.filter.after = Some(window.begin_before());
    let history = asking.history(context)?;
    let found = work(context, move || {
        let by = by.map(|field| (field, &view.zone));
        trends::trends(&history.visits, &window, &metrics, by, GROUPS_MAX)
    })?;
    Ok(showing::trends(context, &window, &found))
}

fn at_most(limit: usize) -> Result<usize, HelperError> {
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(usage(format!(
        "limit: 1 to {LIMIT_MAX} is expected, found {limit}"
    )))
}

/// Reads a length of time: a number with a unit, else seconds.
fn length(name: &str, given: &Value) -> Result<Duration, HelperError> {
    let text = match given {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let with_unit = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{text}s")
    } else {
        text.clone()
    };
    Duration::from_text(&with_unit).ok_or_else(|| {
        usage(format!(
            "{name}: a number of s, m, h or d such as 30d, or of seconds, is expected, found {text:?}"
        ))
    })
}
