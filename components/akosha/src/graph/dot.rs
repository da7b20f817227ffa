//! A graph in the language of Graphviz.

use std::fmt::Write;

use session_model::escape;

use super::{Graph, Kind, Node};

/// The thickest line.
const WIDTH_MAX: f64 = 6.0;

/// Writes a graph for `dot`: a shape for each kind, and the thicker a line the more sessions it stands for.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from(
        "graph akosha {\n  layout=neato; overlap=false; splines=true;\n  node [fontname=\"sans-serif\"];\n",
    );
    let name = |kind: Kind, name: &str| quoted(&format!("{}:{name}", kind.word()));
    for node in &graph.nodes {
        let id = name(node.id.kind, &node.id.name);
        let mark = if node.id == graph.start {
            ", penwidth=3"
        } else {
            ""
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {id} [label={}, shape={}{mark}];",
            label(node),
            shape(node.id.kind)
        );
    }
    let most = graph.edges.iter().map(|edge| edge.sessions).max();
    for edge in &graph.edges {
        let (from, to) = (
            name(edge.from.kind, &edge.from.name),
            name(edge.to.kind, &edge.to.name),
        );
        let width = width(edge.sessions, most.unwrap_or(1));
        let sessions = edge.sessions;
        let _ = writeln!(
            text,
            "  {from} -- {to} [label=\"{sessions}\", penwidth={width:.1}, tooltip=\"last {}\"];",
            edge.last_seen
        );
    }
    text.push_str("}\n");
    text
}

fn label(node: &Node) -> String {
    match node.id.kind {
        Kind::Session => quoted(&node.id.name),
        Kind::User | Kind::Host | Kind::Component => {
            let sessions = node.sessions;
            quoted(&format!("{} ({sessions})", node.id.name))
        }
    }
}

const fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "ellipse",
        Kind::Host => "box3d",
        Kind::Component => "hexagon",
        Kind::Session => "note",
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 sessions")]
fn width(sessions: usize, most: usize) -> f64 {
    let share = (sessions as f64).ln_1p() / (most.max(1) as f64).ln_1p();
    (share * WIDTH_MAX).max(1.0)
}

/// Writes a text between quotes. A backslash begins an escape there, as of a line's end or of the node's own name, so both it and
/// a quote are escaped; and what acts on a terminal is written as its number.
fn quoted(text: &str) -> String {
    let text = escape::for_line(text);
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_ends_it() {
        assert_eq!(quoted("a\"; b"), r#""a\"; b""#);
        assert_eq!(quoted(r"ops\N"), r#""ops\\N""#);
        assert_eq!(quoted("x\ny\u{1b}"), r#""x\\ny\\u{1b}""#);
    }
}
