//! What each route and tool needs. What is not in these tables needs an administrator.

use super::Right;

/// What a route or a tool needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A right. A caller that is bound to a component gets an answer about that one alone.
    Right(Right),
    /// A right over all components: the answer cannot be kept to one.
    Whole(Right),
    /// To read, unless the caller is on this machine.
    ReadFromElsewhere,
    /// To close a session: an administrator's right, or a token of whoever began it.
    Close,
}

/// The routes, by method and path.
pub const ROUTES: &[(&str, &str, Needs)] = &[
    ("GET", "/health", Needs::Nothing),
    ("GET", "/health/live", Needs::Nothing),
    ("GET", "/health/ready", Needs::Nothing),
    ("GET", "/metrics", Needs::ReadFromElsewhere),
    // Each tool has its own line below; what else is asked here tells only what there is.
    ("POST", "/mcp", Needs::Nothing),
    ("POST", "/api/events", Needs::Right(Right::Emit)),
    ("GET", "/api/events", Needs::Right(Right::Read)),
    ("GET", "/api/sessions", Needs::Right(Right::Read)),
    ("GET", "/api/sessions/{id}", Needs::Right(Right::Read)),
    ("POST", "/api/sessions/{id}/end", Needs::Close),
    ("GET", "/api/analytics", Needs::Whole(Right::Read)),
    ("GET", "/api/analytics/sessions", Needs::Whole(Right::Read)),
    ("GET", "/api/analytics/duration", Needs::Whole(Right::Read)),
    (
        "GET",
        "/api/analytics/components",
        Needs::Whole(Right::Read),
    ),
    ("GET", "/api/analytics/errors", Needs::Whole(Right::Read)),
    ("GET", "/api/analytics/active", Needs::Whole(Right::Read)),
    ("GET", "/api/schemas", Needs::Nothing),
    ("GET", "/api/schemas/{name}", Needs::Nothing),
    ("GET", "/api/openapi.json", Needs::Nothing),
    ("GET", "/api/export", Needs::Right(Right::Read)),
    ("POST", "/api/import", Needs::Whole(Right::Admin)),
    ("GET", "/api/violations", Needs::Whole(Right::Read)),
    ("GET", "/api/audit", Needs::Whole(Right::Admin)),
    ("POST", "/api/tokens/revoke", Needs::Whole(Right::Admin)),
];

/// The tools, by name.
pub const TOOLS: &[(&str, Needs)] = &[
    ("track_session_start", Needs::Right(Right::Emit)),
    ("track_session_end", Needs::Right(Right::Emit)),
    ("track_session_heartbeat", Needs::Right(Right::Emit)),
    ("health_check", Needs::Nothing),
    ("list_event_schemas", Needs::Nothing),
    ("list_sessions", Needs::Right(Right::Read)),
    ("get_session", Needs::Right(Right::Read)),
    ("end_session", Needs::Close),
    ("session_analytics", Needs::Whole(Right::Read)),
    ("get_prometheus_metrics", Needs::ReadFromElsewhere),
];

/// Gives what a route needs. `path` is as the router names it; none where it knows no such path, which needs nothing to be
/// told so.
pub fn of_route(method: &str, path: Option<&str>) -> Needs {
    let Some(path) = path else {
        return Needs::Nothing;
    };
    find(method, path).unwrap_or(Needs::Whole(Right::Admin))
}

/// Tells whether there is such a route. `path` is as the router names it.
pub fn has_route(method: &str, path: Option<&str>) -> bool {
    path.is_some_and(|path| find(method, path).is_some())
}

fn find(method: &str, path: &str) -> Option<Needs> {
    // Who may get something may ask for its head.
    let method = if method == "HEAD" { "GET" } else { method };
    let found = ROUTES
        .iter()
        .find(|(known, known_path, _)| *known == method && *known_path == path);
    found.map(|(_, _, needs)| *needs)
}

/// Gives what a tool needs; none where there is no such tool.
pub fn of_tool(name: &str) -> Option<Needs> {
    let found = TOOLS.iter().find(|(known, _)| *known == name);
    found.map(|(_, needs)| *needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_needs_an_administrator() {
        assert_eq!(
            of_route("DELETE", Some("/api/sessions")),
            Needs::Whole(Right::Admin)
        );
        assert_eq!(
            of_route("GET", Some("/api/new")),
            Needs::Whole(Right::Admin)
        );
        assert_eq!(
            of_route("HEAD", Some("/api/sessions")),
            Needs::Right(Right::Read)
        );
        assert_eq!(of_route("GET", None), Needs::Nothing);
        assert_eq!(of_tool("no_such_tool"), None);
    }
}
