//! From sessions to a graph.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

use session_model::Timestamp;

use super::{Edge, Graph, Id, Kind, Node};
use crate::history::Visit;

/// How many sessions are shown beside the start, the newest of them.
const SESSIONS_SHOWN: usize = 10;
/// What sessions join.
const JOINED: [(Kind, Kind); 3] = [
    (Kind::User, Kind::Host),
    (Kind::User, Kind::Component),
    (Kind::Host, Kind::Component),
];

/// How much two nodes, or one, had of something.
#[derive(Clone, Copy, Debug)]
struct Weight {
    sessions: usize,
    failed: usize,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

/// The edges of each node.
type Edges = BTreeMap<Id, BTreeMap<Id, Weight>>;

/// Gives what there is around `start`, up to `depth` steps from it and up to `limit` edges, the nearest and strongest.
#[must_use]
pub fn build(visits: &[Visit], start: &Id, depth: usize, limit: usize) -> Graph {
    let edges = edges(visits, start);
    let mut distances: BTreeMap<Id, usize> = BTreeMap::from([(start.clone(), 0)]);
    let mut shown: Vec<Edge> = Vec::new();
    let mut joined: HashSet<(Id, Id)> = HashSet::new();
    let (mut left_out, mut border) = (0, vec![start.clone()]);
    for distance in 1..=depth {
        let mut found: Vec<Edge> = Vec::new();
        for from in &border {
            for (to, weight) in edges.get(from).into_iter().flatten() {
                if !joined.contains(&(to.clone(), from.clone())) {
                    found.push(weight.edge(from, to));
                }
            }
        }
        found.sort_by_key(|edge| {
            (
                Reverse((edge.sessions, edge.last_seen)),
                edge.from.clone(),
                edge.to.clone(),
            )
        });
        let mut next = Vec::new();
        for edge in found {
            let pair = (edge.from.clone(), edge.to.clone());
            // Two nodes of the same distance find each other.
            if joined.contains(&(pair.1.clone(), pair.0.clone())) {
                continue;
            }
            joined.insert(pair);
            if shown.len() >= limit {
                left_out += 1;
                continue;
            }
            if !distances.contains_key(&edge.to) {
                distances.insert(edge.to.clone(), distance);
                // A session leads nowhere that its person, host and component do not.
                if edge.to.kind != Kind::Session {
                    next.push(edge.to.clone());
                }
            }
            shown.push(edge);
        }
        border = next;
    }
    Graph {
        start: start.clone(),
        nodes: nodes(visits, &distances),
        edges: shown,
        left_out,
        sessions_left_out: sessions_left_out(visits, start),
    }
}

/// Gives the edges of all people, hosts and components, and of the sessions that are shown.
fn edges(visits: &[Visit], start: &Id) -> Edges {
    // Of a million sessions there are some thousand that differ in who was where.
    let mut alike: HashMap<[&str; 3], (&Visit, Weight)> = HashMap::new();
    for visit in visits {
        let key = [&*visit.user, &*visit.host, &*visit.component];
        alike
            .entry(key)
            .and_modify(|(_, weight)| weight.add(Weight::of(visit)))
            .or_insert((visit, Weight::of(visit)));
    }
    let mut edges = Edges::new();
    let mut join = |one: &Id, other: &Id, weight: Weight| {
        for (from, to) in [(one, other), (other, one)] {
            let of_from = edges.entry(from.clone()).or_default();
            of_from
                .entry(to.clone())
                .and_modify(|known| known.add(weight))
                .or_insert(weight);
        }
    };
    for (visit, weight) in alike.into_values() {
        for (one, other) in JOINED {
            join(&one.of(visit), &other.of(visit), weight);
        }
    }
    for visit in sessions_of(visits, start).take(SESSIONS_SHOWN) {
        let session = Kind::Session.of(visit);
        if *start == session {
            for kind in [Kind::User, Kind::Host, Kind::Component] {
                join(&session, &kind.of(visit), Weight::of(visit));
            }
        } else {
            join(start, &session, Weight::of(visit));
        }
    }
    edges
}

/// Gives the sessions beside the start, the newest first: those that it had; of a session itself, the one that it was opened
/// from, and those that were opened from it.
fn sessions_of<'a>(visits: &'a [Visit], start: &Id) -> impl Iterator<Item = &'a Visit> {
    let parent = match start.kind {
        Kind::Session => visits
            .iter()
            .find(|visit| visit.session_id == start.name)
            .and_then(|visit| visit.parent_session_id.clone()),
        Kind::User | Kind::Host | Kind::Component => None,
    };
    visits.iter().filter(move |visit| {
        *start.kind.name(visit) == start.name
            || start.kind == Kind::Session
                && (visit.parent_session_id.as_ref() == Some(&start.name)
                    || Some(&visit.session_id) == parent.as_ref())
    })
}

fn sessions_left_out(visits: &[Visit], start: &Id) -> usize {
    sessions_of(visits, start)
        .count()
        .saturating_sub(SESSIONS_SHOWN)
}

/// Says of each node how much there is of it.
fn nodes(visits: &[Visit], distances: &BTreeMap<Id, usize>) -> Vec<Node> {
    let shown: HashSet<(Kind, &str)> = distances.keys().map(|id| (id.kind, &*id.name)).collect();
    let mut weights: HashMap<(Kind, &str), Weight> = HashMap::new();
    for visit in visits {
        for kind in Kind::ALL {
            let key = (kind, &**kind.name(visit));
            if shown.contains(&key) {
                let weight = Weight::of(visit);
                weights
                    .entry(key)
                    .and_modify(|known| known.add(weight))
                    .or_insert(weight);
            }
        }
    }
    let weighed = distances
        .iter()
        .filter_map(|(id, distance)| Some((id, distance, weights.get(&(id.kind, &*id.name))?)));
    let mut nodes: Vec<_> = weighed
        .map(|(id, distance, weight)| Node {
            id: id.clone(),
            distance: *distance,
            sessions: weight.sessions,
            failed: weight.failed,
            first_seen: weight.first_seen,
            last_seen: weight.last_seen,
        })
        .collect();
    nodes.sort_by_key(|node| (node.distance, Reverse(node.sessions), node.id.clone()));
    nodes
}

impl Weight {
    fn of(visit: &Visit) -> Self {
        Self {
            sessions: 1,
            failed: usize::from(visit.error),
            first_seen: visit.start,
            last_seen: visit.start,
        }
    }

    fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.failed += other.failed;
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }

    fn edge(&self, from: &Id, to: &Id) -> Edge {
        Edge {
            from: from.clone(),
            to: to.clone(),
            sessions: self.sessions,
            failed: self.failed,
            last_seen: self.last_seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Start, dot};

    /// Les was twice on `ops` and once on `db`, Ana on `db` alone; a session of Les was opened from another.
    fn visits() -> Vec<Visit> {
        let visit = |id: &str, component: &str, user: &str, host: &str, day: u32| {
            let start = format!("2026-11-{day:02}T10:00:00Z").parse().unwrap();
            Visit::new(id, component, user, host, start)
        };
        let mut visits = vec![
            visit("billing-4", "billing", "ana", "db", 4),
            visit("vault-3", "vault", "les", "db", 3),
            visit("billing-2", "billing", "les", "ops", 2),
            visit("billing-1", "billing", "les", "ops", 1),
        ];
        visits[1].parent_session_id = Some("billing-2".into());
        visits[1].error = true;
        visits
    }

    fn around(text: &str, depth: usize, limit: usize) -> Graph {
        let visits = visits();
        let start = Start::read(text, None).unwrap().find(&visits).unwrap();
        build(&visits, &start, depth, limit)
    }

    fn edges_of(graph: &Graph) -> Vec<String> {
        let edge = |edge: &Edge| format!("{} {} {}", edge.from.name, edge.to.name, edge.sessions);
        graph.edges.iter().map(edge).collect()
    }

    #[test]
    fn one_step_gives_what_the_start_had_and_its_sessions() {
        let graph = around("les", 1, 100);
        assert_eq!(
            edges_of(&graph),
            [
                "les ops 2",
                "les billing 2",
                "les db 1",
                "les vault 1",
                "les vault-3 1",
                "les billing-2 1",
                "les billing-1 1"
            ]
        );
        let les = &graph.nodes[0];
        assert_eq!((les.distance, les.sessions, les.failed), (0, 3, 1));
        assert_eq!(les.first_seen, visits()[3].start);
        assert_eq!(graph.left_out, 0);
    }

    #[test]
    fn further_steps_reach_what_others_had() {
        let names = |graph: &Graph, distance: usize| {
            let at = graph.nodes.iter().filter(|node| node.distance == distance);
            at.map(|node| node.id.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&around("ana", 1, 100), 1),
            ["billing", "db", "billing-4"]
        );
        let graph = around("ana", 3, 100);
        assert_eq!(names(&graph, 2), ["les", "ops", "vault"]);
        assert_eq!(names(&graph, 3), [""; 0]);
        let mut pairs: Vec<_> = graph
            .edges
            .iter()
            .map(|edge| {
                (
                    edge.from.clone().min(edge.to.clone()),
                    edge.from.clone().max(edge.to.clone()),
                )
            })
            .collect();
        let count = pairs.len();
        pairs.sort();
        pairs.dedup();
        assert_eq!(pairs.len(), count, "an edge is there twice");
    }

    #[test]
    fn a_session_leads_to_who_where_and_what_it_was_opened_from() {
        assert_eq!(
            edges_of(&around("vault-3", 1, 100)),
            [
                "vault-3 les 1",
                "vault-3 db 1",
                "vault-3 vault 1",
                "vault-3 billing-2 1"
            ]
        );
        let from_parent = around("session:billing-2", 1, 100);
        assert!(edges_of(&from_parent).contains(&"billing-2 vault-3 1".to_owned()));
    }

    #[test]
    fn the_strongest_edges_stay() {
        let graph = around("les", 1, 2);
        assert_eq!(edges_of(&graph), ["les ops 2", "les billing 2"]);
        assert_eq!((graph.left_out, graph.nodes.len()), (5, 3));
    }

    #[test]
    fn a_start_is_found_by_what_is_typed() {
        let visits = visits();
        let find = |text: &str, kind: Option<&str>| {
            let id = Start::read(text, kind).and_then(|start| start.find(&visits));
            id.map(|id| format!("{}:{}", id.kind.word(), id.name))
                .map_err(|error| error.to_string())
        };
        for (text, kind, found) in [
            ("les", None, "user:les"),
            ("le", None, "user:les"),
            ("host:d", None, "host:db"),
            ("bill", None, "component:billing"),
            ("4", None, "session:billing-4"),
            ("b", Some("component"), "component:billing"),
        ] {
            assert_eq!(find(text, kind).as_deref(), Ok(found), "{text}");
        }
        for (text, kind, problem) in [
            (
                "lse",
                None,
                "nobody and nothing is called \"lse\", did you mean les?",
            ),
            (
                "b",
                Some("session"),
                "\"b\" may be session:billing-1, session:billing-2, session:billing-4",
            ),
            ("", Some("user"), "\"\" may be user:ana, user:les"),
            (
                "les",
                Some("usr"),
                "there is no type of node \"usr\", did you mean user?",
            ),
        ] {
            assert_eq!(find(text, kind).unwrap_err(), problem, "{text}");
        }
    }

    #[test]
    fn dot_names_nodes_and_weighs_edges() {
        let text = dot(&around("ana", 1, 100));
        insta::assert_snapshot!(text, @r#"
        graph akosha {
          layout=neato; overlap=false; splines=true;
          node [fontname="sans-serif"];
          "user:ana" [label="ana (1)", shape=ellipse, penwidth=3];
          "component:billing" [label="billing (3)", shape=hexagon];
          "host:db" [label="db (2)", shape=box3d];
          "session:billing-4" [label="billing-4", shape=note];
          "user:ana" -- "host:db" [label="1", penwidth=6.0, tooltip="last 2026-11-04T10:00:00.000000Z"];
          "user:ana" -- "component:billing" [label="1", penwidth=6.0, tooltip="last 2026-11-04T10:00:00.000000Z"];
          "user:ana" -- "session:billing-4" [label="1", penwidth=6.0, tooltip="last 2026-11-04T10:00:00.000000Z"];
        }
        "#);
    }
}
