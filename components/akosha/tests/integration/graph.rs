//! Graphs around who and what is named.

use serde_json::json;

use crate::harness::{Server, a_week};

#[test]
fn a_graph_is_nodes_and_edges_for_programs() {
    let server = Server::with(&a_week());
    let graph = server.json(&["graph", "kim", "--depth", "1"]);
    let at = "2026-11-26T08:00:00.000000Z";
    let id = graph["nodes"][3]["name"].as_str().unwrap();
    assert!(id.starts_with("akasha-20261126-080000-"), "{id}");
    let session = format!("session:{id}");
    let node = |id: &str, kind: &str, name: &str, distance: u8| json!({"id": id, "type": kind, "name": name, "distance": distance, "sessions": 1, "failed": 0, "first_seen": at, "last_seen": at});
    let edge = |to: &str| json!({"from": "user:kim", "to": to, "sessions": 1, "failed": 0, "last_seen": at});
    assert_eq!(
        graph,
        json!({
            "start": "user:kim",
            "nodes": [
                node("user:kim", "user", "kim", 0),
                node("host:ops-2", "host", "ops-2", 1),
                node("component:akasha", "component", "akasha", 1),
                node(&session, "session", id, 1),
            ],
            "edges": [edge("host:ops-2"), edge("component:akasha"), edge(&session)],
            "left_out": 0,
            "sessions_left_out": 0,
        })
    );
}

#[test]
fn edges_tell_how_often_and_when_last() {
    let server = Server::with(&a_week());
    let ran = server
        .run(&["graph", "billing", "--limit", "3", "--format", "csv"])
        .with_code(0);
    assert_eq!(
        ran.output,
        "from_type,from,to_type,to,sessions,failed,last_seen\n\
         component,billing,host,ops-1,3,1,2026-11-26T09:00:00.000000Z\n\
         component,billing,user,les,2,1,2026-11-23T10:00:00.000000Z\n\
         component,billing,user,ana,1,0,2026-11-26T09:00:00.000000Z\n"
    );
    let left_out = "note: 9 weaker edges are left out; a higher limit shows more\n";
    assert_eq!(ran.errors, left_out);
    let people = server
        .run(&["graph", "billing", "--limit", "1"])
        .with_code(0);
    assert!(
        people
            .output
            .starts_with("component:billing: 3 sessions, 1 failed\nFrom "),
        "{people:?}"
    );
    // Akosha's other spelling is the same start.
    assert_eq!(
        server.json(&["graph", "akosha"])["start"],
        "component:akasha"
    );
}

#[test]
fn dot_is_what_graphviz_reads() {
    let server = Server::with(&a_week());
    let ran = server
        .run(&["graph", "host:ops-2", "--depth", "1", "--dot"])
        .with_code(0);
    let lines: Vec<_> = ran.output.lines().collect();
    assert_eq!(lines.first(), Some(&"graph akosha {"));
    assert_eq!(lines.last(), Some(&"}"));
    for line in [
        "  \"host:ops-2\" [label=\"ops-2 (1)\", shape=box3d, penwidth=3];",
        "  \"host:ops-2\" -- \"user:kim\" [label=\"1\", penwidth=6.0, tooltip=\"last 2026-11-26T08:00:00.000000Z\"];",
    ] {
        assert!(lines.contains(&line), "{line}: {}", ran.output);
    }
}

#[test]
fn a_start_that_is_none_is_told_with_what_it_may_be() {
    let server = Server::with(&a_week());
    for (arguments, code, problem) in [
        (
            &["graph", "lse"] as &[&str],
            1,
            "error: nobody and nothing is called \"lse\", did you mean les?\n",
        ),
        (
            &["graph", "ops"],
            1,
            "error: \"ops\" may be host:ops-1, host:ops-2\n",
        ),
        (
            &["graph", "les", "--node-type", "hots"],
            2,
            "error: there is no type of node \"hots\", did you mean host?\n",
        ),
        (
            &["graph", "les", "--depth", "7"],
            2,
            "error: depth: 1 to 6 is expected, found 7\n",
        ),
    ] {
        assert_eq!(server.run(arguments).with_code(code).errors, problem);
    }
}
