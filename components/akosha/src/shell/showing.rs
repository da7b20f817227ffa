//! How it is shown.

use admin_shell::{
    Cell, Column, Context, Kind, Reply, Table,
    output::{length, one_line},
};
use serde_json::{Value, json};

use crate::{
    aggregate::{Amount, Groups, Measure, Query},
    detect::Finding,
    graph::{Edge, Graph, Id},
    history::Name,
    search::Hit,
    source::Asked,
    trends::{Metric, Trend, Window, sparkline},
};

pub(super) fn groups(query: &Query, found: &Groups) -> Table {
    let fields = query.fields.iter();
    let fields = fields.map(|field| Column::new(field.name(), title(field.name())));
    let measures = query.measures.iter().enumerate();
    let measures = measures.map(|(place, measure)| {
        let column = Column::new(measure.key(), measure.title()).kind(kind(*measure));
        // What was asked for first stays longest.
        let rank = u8::try_from(place).unwrap_or(u8::MAX);
        column.dispensable(rank)
    });
    let mut table = Table::new(fields.chain(measures), "no session matches");
    for group in &found.groups {
        let keys = group.keys.iter();
        let keys = keys.map(|key| Cell::shown_as(key.to_value(), key.to_text()));
        let amounts = group.amounts.iter().map(|amount| cell(*amount));
        table.push(keys.chain(amounts));
    }
    table
}

const fn kind(measure: Measure) -> Kind {
    match measure {
        Measure::Mean | Measure::Median | Measure::P95 | Measure::Longest | Measure::Total => {
            Kind::Seconds
        }
        Measure::Sessions
        | Measure::Users
        | Measure::Hosts
        | Measure::Failed
        | Measure::ErrorRate
        | Measure::Lost
        | Measure::LostRate
        | Measure::Active => Kind::Number,
    }
}

fn cell(amount: Amount) -> Cell {
    match amount {
        Amount::Count(_) | Amount::Seconds(_) => amount.to_value().into(),
        Amount::Share(share) => {
            let shown = share.map(|share| format!("{share:.1}"));
            Cell::shown_as(share, shown.unwrap_or_default())
        }
    }
}

fn title(name: &str) -> String {
    let mut letters = name.chars().map(|c| if c == '_' { ' ' } else { c });
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

pub(super) fn hits(hits: &[Hit], several_servers: bool) -> Table {
    let server_title = if several_servers { "Server" } else { "" };
    let columns = [
        Column::new("score", "Score").kind(Kind::Number),
        Column::new("kind", "Kind"),
        Column::new("name", "What"),
        Column::new("fields", "In").dispensable(2),
        Column::new("snippet", "Text").dispensable(1),
        Column::new("sessions", "Sessions")
            .kind(Kind::Number)
            .dispensable(4),
        Column::new("last_seen", "Last")
            .kind(Kind::Time)
            .dispensable(3),
        Column::new("server", server_title).dispensable(5),
    ];
    let mut table = Table::new(columns, "nothing is found");
    for hit in hits {
        table.push([
            Cell::shown_as(hit.score, format!("{:.2}", hit.score)),
            hit.kind.one().into(),
            (&*hit.name).into(),
            hit.fields.as_str().into(),
            hit.snippet.as_str().into(),
            hit.sessions.into(),
            hit.last_seen.to_string().into(),
            (&*hit.server).into(),
        ]);
    }
    table
}

/// Gives findings as rows, in their order.
pub fn findings(findings: &[Finding]) -> Table {
    let columns = [
        Column::new("score", "Score").kind(Kind::Number),
        Column::new("metric", "Metric"),
        Column::new("at", "When").kind(Kind::Time),
        Column::new("user", "User"),
        Column::new("component", "Component").dispensable(3),
        Column::new("host", "Host").dispensable(4),
        Column::new("reason", "Why"),
        Column::new("observed", ""),
        Column::new("usual", ""),
        Column::new("sessions", "Sessions")
            .kind(Kind::Number)
            .dispensable(2),
    ];
    let mut table = Table::new(columns, "nothing is unusual");
    let some = |name: &Option<Name>| Cell::from(name.as_deref());
    for finding in findings {
        let sessions: Vec<&str> = finding.sessions.iter().map(|id| &**id).collect();
        let count = sessions.len().to_string();
        table.push([
            Cell::shown_as(finding.score, format!("{:.2}", finding.score)),
            finding.metric.as_str().into(),
            finding.at.to_string().into(),
            some(&finding.user),
            some(&finding.component),
            some(&finding.host),
            finding.reason.as_str().into(),
            finding.observed.into(),
            finding.usual.into(),
            Cell::shown_as(sessions, count),
        ]);
    }
    table
}

pub(super) fn graph(context: &Context, graph: &Graph) -> Reply {
    let id = |id: &Id| format!("{}:{}", id.kind.word(), id.name);
    let nodes = graph.nodes.iter().map(|node| {
        json!({
            "id": id(&node.id),
            "type": node.id.kind.word(),
            "name": &*node.id.name,
            "distance": node.distance,
            "sessions": node.sessions,
            "failed": node.failed,
            "first_seen": node.first_seen,
            "last_seen": node.last_seen,
        })
    });
    let edges = graph.edges.iter().map(|edge| {
        json!({
            "from": id(&edge.from),
            "to": id(&edge.to),
            "sessions": edge.sessions,
            "failed": edge.failed,
            "last_seen": edge.last_seen,
        })
    });
    let value = json!({
        "start": id(&graph.start),
        "nodes": nodes.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
        "left_out": graph.left_out,
        "sessions_left_out": graph.sessions_left_out,
    });
    let rows = edge_rows(&graph.edges);
    let start = graph.nodes.first();
    let head = start.map_or_else(String::new, |node| {
        let (sessions, failed) = (node.sessions, node.failed);
        let head = format!("{}: {sessions} sessions, {failed} failed", id(&node.id));
        one_line(&head).into_owned()
    });
    Reply::Report {
        value,
        text: format!("{head}\n{}", rows.for_people(&context.view()).trim_end()),
        rows,
    }
}

fn edge_rows(edges: &[Edge]) -> Table {
    let columns = [
        Column::new("from_type", ""),
        Column::new("from", "From"),
        Column::new("to_type", "Is a"),
        Column::new("to", "To"),
        Column::new("sessions", "Sessions").kind(Kind::Number),
        Column::new("failed", "Failed")
            .kind(Kind::Number)
            .dispensable(2),
        Column::new("last_seen", "Last")
            .kind(Kind::Time)
            .dispensable(1),
    ];
    let mut table = Table::new(columns, "");
    for edge in edges {
        table.push([
            edge.from.kind.word().into(),
            (&*edge.from.name).into(),
            edge.to.kind.word().into(),
            (&*edge.to.name).into(),
            edge.sessions.into(),
            edge.failed.into(),
            edge.last_seen.to_string().into(),
        ]);
    }
    table
}

pub(super) fn trends(context: &Context, window: &Window, trends: &[Trend]) -> Reply {
    let value = trends.iter().map(|trend| trend_value(window, trend));
    let view = context.view();
    let local = |at: session_model::Timestamp| {
        let at = at.as_jiff().to_zoned(view.zone.clone());
        at.strftime("%Y-%m-%d %H:%M").to_string()
    };
    let step = window.granularity.as_secs();
    let head = format!(
        "{} to {}, {} steps of {}, against as long before",
        local(window.begin()),
        local(window.end),
        window.buckets,
        step_text(step)
    );
    let mut text = format!("{head}\n{}", summary(trends).for_people(&view));
    if let [only] = trends {
        text.push('\n');
        text.push_str(&series(window, only, &local).for_people(&view));
    }
    Reply::Report {
        value: value.collect(),
        text: text.trim_end().to_owned(),
        rows: points(window, trends),
    }
}

fn trend_value(window: &Window, trend: &Trend) -> Value {
    let points = trend
        .series
        .iter()
        .enumerate()
        .map(|(bucket, number)| json!({"start": window.begin_of(bucket), "value": number}));
    json!({
        "metric": trend.metric.word(),
        "of": trend.of.as_ref().map(|key| key.to_value()),
        "from": window.begin(),
        "to": window.end,
        "granularity_seconds": window.granularity.as_secs(),
        "series": points.collect::<Vec<_>>(),
        "whole": trend.whole,
        "before": trend.before,
        "change": trend.change(),
        "change_percent": trend.change_percent(),
        "slope": trend.slope,
        "sparkline": sparkline(&trend.series),
    })
}

/// Writes the length of a step as it would be typed.
fn step_text(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let largest = units
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit));
    largest.map_or_else(String::new, |(unit, name)| {
        format!("{}{name}", seconds / unit)
    })
}

/// Writes the change: of a share in points, for a share of a share would be taken for one.
fn change_text(trend: &Trend) -> String {
    let (change, unit) = match trend.metric {
        Metric::ErrorRate | Metric::Lost => {
            let change = trend.change();
            return change.map_or_else(String::new, |change| format!("{change:+.1} points"));
        }
        Metric::Sessions | Metric::Users | Metric::Duration => (trend.change_percent(), "%"),
    };
    change.map_or_else(String::new, |change| format!("{change:+.0} {unit}"))
}

fn summary(trends: &[Trend]) -> Table {
    let of_title = if trends.iter().any(|trend| trend.of.is_some()) {
        "Of"
    } else {
        ""
    };
    let columns = [
        Column::new("of", of_title),
        Column::new("metric", "Metric"),
        Column::new("trend", "Trend"),
        Column::new("whole", "Now").kind(Kind::Number),
        Column::new("before", "Before").kind(Kind::Number),
        Column::new("change_text", "Change").kind(Kind::Number),
        Column::new("slope", "Slope a step").kind(Kind::Number),
    ];
    let mut table = Table::new(columns, "no session matches");
    for trend in trends {
        let change = change_text(trend);
        let slope = trend.slope;
        let slope = slope.map_or_else(String::new, |slope| format!("{slope:+.2}"));
        table.push([
            trend.of.as_ref().map(|key| key.to_text()).into(),
            trend.metric.word().into(),
            sparkline(&trend.series).into(),
            number(trend.metric, trend.whole),
            number(trend.metric, trend.before),
            change.into(),
            slope.into(),
        ]);
    }
    table
}

fn series(
    window: &Window,
    trend: &Trend,
    local: &impl Fn(session_model::Timestamp) -> String,
) -> Table {
    let columns = [
        Column::new("start", "From"),
        Column::new("value", title(trend.metric.word())).kind(Kind::Number),
        Column::new("bar", ""),
    ];
    let mut table = Table::new(columns, "");
    for (bucket, value) in trend.series.iter().enumerate() {
        table.push([
            local(window.begin_of(bucket)).into(),
            number(trend.metric, *value),
        ]);
    }
    table
}

fn points(window: &Window, trends: &[Trend]) -> Table {
    let columns = ["metric", "of", "start", "value"].map(|key| Column::new(key, key));
    let mut table = Table::new(columns, "");
    for trend in trends {
        for (bucket, value) in trend.series.iter().enumerate() {
            table.push([
                trend.metric.word().into(),
                trend.of.as_ref().map(|key| key.to_value()).into(),
                window.begin_of(bucket).to_string().into(),
                (*value).into(),
            ]);
        }
    }
    table
}

fn number(metric: Metric, number: Option<f64>) -> Cell {
    let shown = number.map(|number| match metric {
        Metric::Sessions | Metric::Users => format!("{number:.0}"),
        Metric::ErrorRate | Metric::Lost => format!("{number:.1} %"),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and whole seconds are what is shown"
        )]
        Metric::Duration => length(number as i64),
    });
    Cell::shown_as(number, shown.unwrap_or_default())
}

pub(super) fn adapters(context: &Context, asked: &[Asked]) -> Table {
    let columns = [
        Column::new("server", "Server"),
        Column::new("answers", "Answers"),
        Column::new("problem", "Problem"),
    ];
    let mut table = Table::new(columns, "");
    for asked in asked {
        let problem = asked.outcome.as_ref().err();
        let answers = if problem.is_none() { "yes" } else { "no" };
        let cells = [
            Cell::from(&*asked.server),
            Cell::shown_as(problem.is_none(), answers),
            problem.map(|error| error.problem.clone()).into(),
        ];
        table.push(cells);
        if problem.is_some() {
            context.set_exit_code(1);
        }
    }
    table
}
