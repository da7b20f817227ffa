//! Reading a query.

use super::Measure;
use crate::{
    field::{Field, Key},
    words,
};

/// What is counted, by what, and of which sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What is counted; at least one.
    pub measures: Vec<Measure>,
    /// By what.
    pub fields: Vec<Field>,
    /// What must hold of a session.
    pub conditions: Vec<Condition>,
}

/// Something that must hold of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of which field.
    pub field: Field,
    /// How it relates to the value.
    pub relation: Relation,
    /// The value, as it would be shown.
    pub value: String,
}

/// How a field relates to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They are the same.
    Is,
    /// They are not the same.
    IsNot,
    /// The value is a part of it, in any case of letters.
    Contains,
}

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(String);

/// Where the parts of a query begin.
const BY: &str = "by";
const WHERE: &str = "where";
const AND: &str = "and";
/// The most fields: a group of more is hardly ever larger than one session.
const FIELDS_MAX: usize = 6;

impl std::str::FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let tokens = tokens(text)?;
        let is = |token: &Token, word: &str| matches!(token, Token::Word(text) if text.eq_ignore_ascii_case(word));
        if tokens.first().is_some_and(|first| is(first, "select")) {
            let problem = "a query is no SQL: say what is counted and by what, such as \"sessions by component,user\"";
            return Err(QueryError(problem.to_owned()));
        }
        let end = tokens.iter().position(|token| is(token, WHERE));
        let (counted, conditions) = match end {
            Some(end) => (&tokens[..end], &tokens[end + 1..]),
            None => (&tokens[..], &[][..]),
        };
        if end.is_some() && conditions.is_empty() {
            return Err(QueryError(
                "a condition such as status=lost is missing behind \"where\"".to_owned(),
            ));
        }
        let (measures, fields) = match counted.iter().position(|token| is(token, BY)) {
            Some(by) => (measures(&counted[..by])?, fields(&counted[by + 1..])?),
            None => measures_or_fields(counted)?,
        };
        Ok(Self {
            measures: if measures.is_empty() {
                Measure::USUAL.to_vec()
            } else {
                measures
            },
            fields,
            conditions: read_conditions(conditions)?,
        })
    }
}

impl Condition {
    /// Tells whether it holds of what a session has of the field.
    pub(super) fn holds(&self, key: &Key) -> bool {
        let text = key.to_text();
        match self.relation {
            Relation::Is => text == self.value,
            Relation::IsNot => text != self.value,
            Relation::Contains => text.to_lowercase().contains(&self.value.to_lowercase()),
        }
    }
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Comma,
    Relation(Relation),
}

fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ',' => (Token::Comma, 1),
            '=' => (Token::Relation(Relation::Is), 1),
            '~' => (Token::Relation(Relation::Contains), 1),
            '!' if rest.starts_with("!=") => (Token::Relation(Relation::IsNot), 2),
            '"' | '\'' => {
                let quoted = &rest[1..];
                let end = quoted.find(first).ok_or_else(|| {
                    QueryError(format!("the quote before {quoted:?} has no other one"))
                })?;
                (Token::Quoted(quoted[..end].to_owned()), end + 2)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '=' | '~' | '!');
                let end = rest.find(ends).unwrap_or(rest.len());
                // A mark that begins no relation is part of a word.
                let end = end.max(first.len_utf8());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Gives the words between commas, `and` among them left out; a lone `*` is nothing.
fn phrases(tokens: &[Token]) -> Result<Vec<String>, QueryError> {
    let mut phrases = vec![Vec::new()];
    for token in tokens {
        match (token, phrases.last_mut()) {
            (Token::Word(word), _) if word == "*" => {}
            (Token::Word(word), _) if word.eq_ignore_ascii_case(AND) => phrases.push(Vec::new()),
            (Token::Comma, _) | (_, None) => phrases.push(Vec::new()),
            (Token::Word(word), Some(phrase)) => phrase.push(word.to_lowercase()),
            (Token::Quoted(_) | Token::Relation(_), _) => {
                let problem = "a condition such as status=lost stands behind \"where\"";
                return Err(QueryError(problem.to_owned()));
            }
        }
    }
    let written = phrases.into_iter().filter(|phrase| !phrase.is_empty());
    Ok(written.map(|phrase| phrase.join(" ")).collect())
}

fn measures(tokens: &[Token]) -> Result<Vec<Measure>, QueryError> {
    let mut measures = Vec::new();
    for phrase in phrases(tokens)? {
        let known = measures_of(&phrase).ok_or_else(|| {
            let known = Measure::phrases().map(|(phrase, _)| phrase);
            let known = known.chain(["duration"]);
            QueryError(words::unknown("measure", &phrase, known))
        })?;
        add(&mut measures, known);
    }
    Ok(measures)
}

fn measures_of(phrase: &str) -> Option<Vec<Measure>> {
    if phrase == "duration" {
        return Some(Measure::DURATION.to_vec());
    }
    let found = Measure::phrases().find(|(known, _)| *known == phrase);
    found.map(|(_, measure)| vec![measure])
}

fn fields(tokens: &[Token]) -> Result<Vec<Field>, QueryError> {
    let mut fields = Vec::new();
    for phrase in phrases(tokens)? {
        add(&mut fields, vec![Field::read(&phrase).map_err(QueryError)?]);
    }
    if fields.is_empty() {
        let known: Vec<_> = Field::names().collect();
        let problem = format!(
            "a field is missing behind \"by\"; there are {}",
            known.join(", ")
        );
        return Err(QueryError(problem));
    }
    if fields.len() > FIELDS_MAX {
        let found = fields.len();
        return Err(QueryError(format!(
            "by: at most {FIELDS_MAX} fields, found {found}"
        )));
    }
    Ok(fields)
}

/// Reads what stands there without `by`: measures, else fields.
fn measures_or_fields(tokens: &[Token]) -> Result<(Vec<Measure>, Vec<Field>), QueryError> {
    let phrases = phrases(tokens)?;
    if phrases.iter().all(|phrase| measures_of(phrase).is_some()) {
        return Ok((measures(tokens)?, Vec::new()));
    }
    if phrases
        .iter()
        .all(|phrase| Field::of_name(phrase).is_some())
    {
        return Ok((Vec::new(), fields(tokens)?));
    }
    let is_known =
        |phrase: &&String| measures_of(phrase).is_none() && Field::of_name(phrase).is_none();
    let problem = match phrases.iter().find(is_known) {
        Some(phrase) => {
            let known = Measure::phrases().map(|(phrase, _)| phrase);
            words::unknown("measure or field", phrase, known.chain(Field::names()))
        }
        None => "\"by\" is missing between measures and fields".to_owned(),
    };
    Err(QueryError(problem))
}

fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

fn read_conditions(tokens: &[Token]) -> Result<Vec<Condition>, QueryError> {
    let is_between = |token: &Token| match token {
        Token::Comma => true,
        Token::Word(word) => word.eq_ignore_ascii_case(AND),
        Token::Quoted(_) | Token::Relation(_) => false,
    };
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    tokens.split(is_between).map(condition).collect()
}

fn condition(tokens: &[Token]) -> Result<Condition, QueryError> {
    match tokens {
        [
            Token::Word(field),
            Token::Relation(relation),
            Token::Word(value) | Token::Quoted(value),
        ] => Ok(Condition {
            field: Field::read(field).map_err(QueryError)?,
            relation: *relation,
            value: value.clone(),
        }),
        _ => {
            let problem = "where: conditions such as status=lost, user!=ci or error_message~\"time out\" are expected, with \"and\" between them";
            Err(QueryError(problem.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Query {
        text.parse().unwrap()
    }

    fn names(text: &str) -> String {
        let query = read(text);
        let measures: Vec<_> = query.measures.iter().map(|measure| measure.key()).collect();
        let fields: Vec<_> = query.fields.iter().map(|field| field.name()).collect();
        format!("{} by {}", measures.join(","), fields.join(","))
    }

    #[test]
    fn a_query_says_what_is_counted_and_by_what() {
        const USUAL: &str =
            "sessions,users,mean_seconds,median_seconds,p95_seconds,error_rate,lost_rate";
        for (text, expected) in [
            ("sessions by component,user", "sessions by component,user"),
            ("Mean Duration by DAY", "mean_seconds by day"),
            (
                "duration and error share by week",
                "mean_seconds,median_seconds,p95_seconds,error_rate by week",
            ),
            ("users", "users by "),
            ("count, sessions by host", "sessions by host"),
            ("*", &format!("{USUAL} by ")),
            ("", &format!("{USUAL} by ")),
            ("project", &format!("{USUAL} by project")),
            ("component, username", &format!("{USUAL} by component,user")),
            ("* by type", &format!("{USUAL} by type")),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn conditions_stand_behind_where() {
        let query = read(
            "sessions by day where host=ops-1 and error_message ~ \"time out\", status != active",
        );
        let shown: Vec<_> = query
            .conditions
            .iter()
            .map(|condition| {
                (
                    condition.field.name(),
                    condition.relation,
                    &*condition.value,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("host", Relation::Is, "ops-1"),
                ("error_message", Relation::Contains, "time out"),
                ("status", Relation::IsNot, "active")
            ]
        );
    }

    #[test]
    fn what_is_no_query_is_refused_with_what_there_is() {
        for (text, problem) in [
            (
                "sesions by user",
                "there is no measure \"sesions\", did you mean sessions?",
            ),
            (
                "sessions by componnet",
                "there is no field \"componnet\", did you mean component?",
            ),
            (
                "componnet",
                "there is no measure or field \"componnet\", did you mean component?",
            ),
            (
                "sessions, component",
                "\"by\" is missing between measures and fields",
            ),
            (
                "SELECT count(*) FROM sessions",
                "a query is no SQL: say what is counted and by what, such as \"sessions by component,user\"",
            ),
            (
                "sessions where",
                "a condition such as status=lost is missing behind \"where\"",
            ),
            (
                "sessions status=lost",
                "a condition such as status=lost stands behind \"where\"",
            ),
            (
                "sessions where status",
                "where: conditions such as status=lost, user!=ci or error_message~\"time out\" are expected, with \"and\" between them",
            ),
            (
                "sessions where host=\"ops",
                "the quote before \"ops\" has no other one",
            ),
            (
                "by component,user,host,day,status,project,type",
                "by: at most 6 fields, found 7",
            ),
        ] {
            assert_eq!(
                text.parse::<Query>().unwrap_err().to_string(),
                problem,
                "{text}"
            );
        }
        let none = "sessions by".parse::<Query>().unwrap_err().to_string();
        assert!(none.starts_with("a field is missing behind \"by\"; there are component, user,"));
    }
}
