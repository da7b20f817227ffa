//! Who was where: people, hosts, components and sessions as a graph.
//!
//! People, hosts and components are joined by the sessions that they had together: an edge says how many, how many of them
//! failed, and when the last one began. A session is joined to its person, host and component, to the session that it was
//! opened from, and to those that were opened from it. So that a graph stays one that can be looked at, sessions are shown beside the
//! start alone, the newest of them, and of the rest the strongest edges.

mod build;
mod dot;
mod start;

use session_model::Timestamp;

pub use build::build;
pub use dot::dot;
pub use start::{Start, StartError};

use crate::history::Name;

/// How far from its start a graph may reach: six steps join whatever is joined at all.
pub const DEPTH_MAX: usize = 6;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An account name.
    User,
    /// A host.
    Host,
    /// A component.
    Component,
    /// A session.
    Session,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
}

/// A node, and how much there is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which one.
    pub id: Id,
    /// How many steps from the start.
    pub distance: usize,
    /// How many sessions it had.
    pub sessions: usize,
    /// How many of them failed.
    pub failed: usize,
    /// When the first and the last of them began.
    pub first_seen: Timestamp,
    /// See above.
    pub last_seen: Timestamp,
}

/// Two nodes that had sessions together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The node nearer to the start.
    pub from: Id,
    /// The other one.
    pub to: Id,
    /// How many sessions.
    pub sessions: usize,
    /// How many of them failed.
    pub failed: usize,
    /// When the last of them began.
    pub last_seen: Timestamp,
}

/// What there is around a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Where it starts.
    pub start: Id,
    /// The nodes, the nearest first.
    pub nodes: Vec<Node>,
    /// The edges between them, from the start outwards, the strongest first.
    pub edges: Vec<Edge>,
    /// How many edges between people, hosts and components were left out.
    pub left_out: usize,
    /// How many older sessions of the start were left out.
    pub sessions_left_out: usize,
}

impl Kind {
    /// All of them, in the order in which a session joins them.
    pub const ALL: [Self; 4] = [Self::User, Self::Host, Self::Component, Self::Session];

    /// Gives its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
            Self::Component => "component",
            Self::Session => "session",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word().eq_ignore_ascii_case(word))
    }
}
