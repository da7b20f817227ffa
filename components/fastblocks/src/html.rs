//! The links and the anchors of a page, and where they stand in it.

use std::{collections::BTreeSet, ops::Range};

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

/// Attributes that hold an address. `srcset` holds several, and is not looked at.
const ADDRESSES: [&str; 6] = ["action", "data", "formaction", "href", "poster", "src"];
/// Stands where a template has an expression or a statement.
pub(crate) const HOLE: char = '\u{1}';

/// An address in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The address.
    pub(crate) value: String,
    /// Where it stands, with its quotes.
    pub(crate) raw: Range<usize>,
}

/// Finds all addresses, in their order.
pub(crate) fn links(html: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for tag in tags(html) {
        let tag_text = &html[tag.span.start..tag.span.end];
        for (name, raw) in attributes(tag_text) {
            let name = name.to_ascii_lowercase();
            let value = tag.attributes.get(name.as_bytes());
            if let Some(value) = value.filter(|_| ADDRESSES.contains(&name.as_str())) {
                let value = String::from_utf8_lossy(value).trim().to_owned();
                let raw = tag.span.start + raw.start..tag.span.start + raw.end;
                links.push(Link { value, raw });
            }
        }
    }
    links
}

/// Finds the places of a page that a link may lead to.
pub(crate) fn anchors(html: &str) -> BTreeSet<String> {
    let named = tags(html).into_iter().filter_map(|tag| {
        let value = tag.attributes.get(b"id".as_slice())?;
        Some(String::from_utf8_lossy(value).into_owned())
    });
    named.collect()
}

/// Writes a page with other addresses, where `replace` gives one.
pub(crate) fn rewrite(
    html: &str,
    links: &[Link],
    replace: impl Fn(&str) -> Option<String>,
) -> String {
    let mut written = String::with_capacity(html.len());
    let mut at = 0;
    for link in links {
        let Some(value) = replace(&link.value) else {
            continue;
        };
        let value = value
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;");
        written.push_str(&html[at..link.raw.start]);
        written.push_str(&format!("\"{value}\""));
        at = link.raw.end;
    }
    written.push_str(&html[at..]);
    written
}

fn tags(html: &str) -> Vec<StartTag<usize>> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    // The content of scripts and styles is no markup.
    emitter.naively_switch_states(true);
    let tokens = Tokenizer::new_with_emitter(html, emitter);
    tokens
        .filter_map(|token| match token {
            Ok(Token::StartTag(tag)) => Some(tag),
            _ => None,
        })
        .collect()
}

/// Finds the attributes of a tag that have a value: their names, and where the values stand, with their quotes.
fn attributes(tag: &str) -> Vec<(&str, Range<usize>)> {
    let bytes = tag.as_bytes();
    let mut found = Vec::new();
    let skip = |mut at: usize, stop: &dyn Fn(u8) -> bool| {
        while at < bytes.len() && !stop(bytes[at]) {
            at += 1;
        }
        at
    };
    let is_blank = |byte: u8| byte.is_ascii_whitespace();
    let no_blank = |byte: u8| !is_blank(byte);
    let mut at = skip(1, &|byte| is_blank(byte) || byte == b'/' || byte == b'>');
    while at < bytes.len() {
        let begin = skip(at, &|byte| !is_blank(byte) && byte != b'/' && byte != b'>');
        let end = skip(begin, &|byte| {
            is_blank(byte) || matches!(byte, b'=' | b'>' | b'/')
        });
        let equals = skip(end, &no_blank);
        if bytes.get(equals) != Some(&b'=') {
            // It has no value, or is no attribute at all.
            at = end.max(at + 1);
            continue;
        }
        let value = skip(equals + 1, &no_blank);
        let value_end = match bytes.get(value) {
            Some(quote @ (b'"' | b'\'')) => {
                (skip(value + 1, &|byte| byte == *quote) + 1).min(bytes.len())
            }
            _ => skip(value, &|byte| is_blank(byte) || byte == b'>'),
        };
        found.push((&tag[begin..end], value..value_end));
        at = value_end.max(at + 1);
    }
    found
}

/// Puts holes where a template has expressions, statements and comments; lines and places stay.
pub(crate) fn without_templating(source: &str) -> String {
    let mut written = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find('{') {
        let close = match rest[begin..].get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => {
                written.push_str(&rest[..=begin]);
                rest = &rest[begin + 1..];
                continue;
            }
        };
        let inner = &rest[begin + 2..];
        let end = inner
            .find(close)
            .map_or(rest.len(), |end| begin + 2 + end + 2);
        written.push_str(&rest[..begin]);
        // A byte each, so that places stay.
        written.extend(
            rest[begin..end]
                .bytes()
                .map(|byte| if byte == b'\n' { '\n' } else { HOLE }),
        );
        rest = &rest[end..];
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_where_they_stand_and_nowhere_else() {
        let page = "<!-- <a href='/no/'> --><script>'<a href=\"/no/\">'</script>\
            <A  HREF = '/a/?x=1&amp;y' class=b>é</a><img src=/i.png alt='href=\"/no/\"'><link href=\"/c.css\"/><a href>";
        let links = links(page);
        let found: Vec<_> = links
            .iter()
            .map(|link| (link.value.as_str(), &page[link.raw.clone()]))
            .collect();
        assert_eq!(
            found,
            [
                ("/a/?x=1&y", "'/a/?x=1&amp;y'"),
                ("/i.png", "/i.png"),
                ("/c.css", "\"/c.css\""),
            ]
        );
        let written = rewrite(page, &links, |value| {
            (value == "/i.png").then(|| "a\"&<".to_owned())
        });
        assert!(
            written.contains("<img src=\"a&quot;&amp;&lt;\" alt="),
            "{written}"
        );
        assert!(written.contains("'/a/?x=1&amp;y'"));
    }

    #[test]
    fn templates_become_holes_of_the_same_length() {
        let source = "<a href=\"{{ link(\n'x') }}\">{# é #}{ {%x%}{{";
        let holes = without_templating(source);
        assert_eq!(holes.len(), source.len());
        assert_eq!(holes.matches('\n').count(), 1);
        assert!(links(&holes)[0].value.contains(HOLE));
        assert!(holes.contains("{ "));
    }

    #[test]
    fn a_page_says_where_links_may_lead() {
        let anchors = anchors("<p id=a><b id='b c'></b><script>\"<i id=no>\"</script>");
        assert_eq!(anchors.into_iter().collect::<Vec<_>>(), ["a", "b c"]);
    }
}
