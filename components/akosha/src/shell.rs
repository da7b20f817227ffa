//! Akosha's shell and program: the same helpers in both.

mod analyses;
mod asking;
mod showing;

use std::process::ExitCode;

use admin_shell::{AdminShell, Builder, Context, Program, Table};

pub use showing::findings;

use analyses::{aggregate, detect, graph, search, trends};
use asking::Asking;

/// What selects sessions, as flags: those of `session-buddy list-sessions`, and the servers.
const FILTERS: [(&str, &str, &str); 9] = [
    ("type", "TYPE", "Of this kind, such as admin_shell"),
    ("component", "NAME", "Of this component"),
    ("user", "NAME", "Of this account"),
    ("status", "STATUS", "active, ended or lost"),
    (
        "after",
        "TIME",
        "Began then or later: a date, an RFC 3339 time, or an age such as 7d",
    ),
    ("before", "TIME", "Began before then"),
    ("duration_greater", "SECONDS", "Ran longer than this"),
    ("incomplete", "", "Only what is active"),
    (
        "server",
        "URL",
        "Ask this server: http://HOST:PORT, https://HOST:PORT or unix:PATH; may be given again [default: AKOSHA_SERVERS, else your own]",
    ),
];

/// Does what the arguments of this process say.
pub fn main() -> ExitCode {
    // Only a shell says which servers answer, and only it may wait for them.
    let is_shell = std::env::args().nth(1).is_some_and(|word| word == "shell");
    let adapters = if is_shell {
        asking::that_answer_at_once()
    } else {
        Vec::new()
    };
    program(adapters).run()
}

/// Makes the program. `adapters` are the servers that answer.
pub fn program(adapters: Vec<String>) -> Program {
    shell(adapters)
        .program("Group, search and follow the sessions of one or many servers, and find what is unusual in them")
        .parameter("query", "Of aggregate what is counted and by what, of search words, of graph a user, host, component or session")
        .parameter("limit", "How many, at most")
        .parameter("index", "In what: all, or some of sessions, errors, users, hosts, components, projects")
        .parameter("node_type", "What the query names: user, host, component or session")
        .parameter("depth", "How many steps from there, 1 to 6")
        .parameter("dot", "Write it for Graphviz")
        .parameter("metric", "What: all, or some of the metrics, with commas between them")
        .parameter("window", "How long, as 30d, 12h or seconds; of detect the time within which starts are counted")
        .parameter("threshold", "The least score of a finding, 0 to 1: 0.8 is as rare as one session in 625")
        .parameter("granularity", "How long each step is, as 1d, 1h or seconds")
        .parameter("by", "Each value of this field for itself, such as component")
        .argument("query")
        .argument("metric")
        .flags("filters", &FILTERS)
        .example("akosha aggregate 'mean duration, error rate by component' --after 30d")
        .example("akosha search 'timeout user:les' --server http://ops-1:8678 --server http://ops-2:8678")
        .example("akosha detect --after 7d --threshold 0.9")
        .example("akosha graph les --depth 3 --dot | dot -Tsvg > les.svg")
        .example("akosha trends error_rate --by component --window 14d")
}

/// Makes the shell.
pub fn shell(adapters: Vec<String>) -> Builder {
    AdminShell::builder("akosha", env!("CARGO_PKG_VERSION"))
        .title("Akosha, what session history tells")
        .adapters(adapters)
        .metadata("component_type", "diviner")
        .helper(
            "aggregate(query=\"*\", filters=none, limit=100) - group sessions and count them: \"mean duration by component, day where status!=active\"",
            aggregate,
        )
        .helper(
            "search(query, index=\"all\", limit=10, filters=none) - find sessions, people, hosts, projects and errors by words, the best first",
            search,
        )
        .helper(
            "detect(metric=\"all\", threshold=0.8, window=\"5m\", limit=20, filters=none) - find what is unusual, and say why: duration, error_rate, start_frequency, hour_of_day, new_host, new_component",
            detect,
        )
        .helper(
            "graph(query, node_type=none, depth=2, limit=100, dot=false, filters=none) - show who was where, from a user, host, component or session outwards",
            graph,
        )
        .helper(
            "trends(metric=\"all\", window=\"30d\", granularity=\"1d\", by=none, filters=none) - show how sessions, users, duration, error_rate and lost went, and against the time before",
            trends,
        )
        .helper(
            "adapters(filters=none) - ask each server whether it answers",
            list_adapters,
        )
        .helper("version() - tell the version of this program", || {
            env!("CARGO_PKG_VERSION")
        })
}

fn list_adapters(
    context: &Context,
    filters: Option<serde_json::Value>,
) -> Result<Table, admin_shell::HelperError> {
    let asking = Asking::read(context, filters.as_ref())?;
    let asked = asking.ask(context)?;
    Ok(showing::adapters(context, &asked))
}
