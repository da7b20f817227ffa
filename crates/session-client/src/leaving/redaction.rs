//! What looks like a secret does not leave: it is replaced by `[redacted]`, and the rest of the text stays.
//!
//! A rule that knows a secret by its shape (a JSON Web Token, a key of a cloud) replaces it all; a rule that knows it by what
//! stands before it (`password=`, `Bearer`, the user in a URL) keeps that and replaces what follows. Where a secret ends is
//! not always told: an unquoted value is taken up to white space, a quote, `&` or `;`, so that too much is taken rather than
//! too little.
//!
//! Most texts that leave are the name of a host or a folder. So each rule names a word that its matches have, and is made
//! (which takes up to a millisecond) only once a text has it.

use std::{borrow::Cow, ffi::OsString, sync::LazyLock};

use regex::{Captures, Regex, RegexBuilder};

/// What stands in place of a secret.
pub const MARK: &str = "[redacted]";

/// Words by which a name tells that its value is a secret.
macro_rules! secret_names {
    () => {
        "(?:password|passwd|passphrase|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key|secret[_-]?key)"
    };
}

/// A value: quoted, to its closing quote or the end; or not, up to white space, a quote, `&` or `;`.
macro_rules! value {
    () => {
        r#"(?:(?P<double>")(?:[^"\\]|\\.)*|(?P<single>')[^']*|[^\s"'&;]+)"#
    };
}

/// What is known of secrets.
struct Rule {
    /// Words of which every match has one, in lower case.
    words: &'static [&'static str],
    regex: LazyLock<Regex>,
}

macro_rules! rule {
    ([$($word:literal),+], $regex:expr) => {
        Rule {
            words: &[$($word),+],
            regex: LazyLock::new(|| Regex::new($regex).expect("each rule is a regular expression")),
        }
    };
}

/// A group `keep` is what stays before the secret; `after` what stays behind it.
static RULES: [Rule; 9] = [
    // PEM (RFC 7468), to its end or to that of the text.
    rule!(
        ["private key-----"],
        r"(?is)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)"
    ),
    // A user with a password in a URL, or with something else than a name for SSH.
    rule!(
        ["://"],
        r#"(?i)(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/?#"'<>:@]*:)[^\s/?#"'<>]+(?P<after>@)"#
    ),
    rule!(
        ["://"],
        r#"(?i)(?P<keep>\bhttps?://)[^\s/?#"'<>:@]+(?P<after>@)"#
    ),
    // JSON Web Tokens (RFC 7519): a header is `{"` in base64.
    rule!(
        ["ey"],
        r"\bey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    ),
    // Tokens with a beginning of their own: AWS, GitHub, GitLab, Slack, Google, npm, PyPI, Stripe, OpenAI and others.
    rule!(
        [
            "akia",
            "asia",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "xox",
            "xapp-",
            "aiza",
            "npm_",
            "pypi-",
            "sk-",
            "sk_",
            "rk_"
        ],
        r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{16,}|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|[sr]k[-_](?:live[-_]|test[-_]|proj[-_]|ant[-_])?[A-Za-z0-9_-]{20,})"
    ),
    rule!(
        ["hooks.slack.com"],
        r"(?i)(?P<keep>hooks\.slack\.com/(?:services|workflows)/)[A-Za-z0-9/_-]+"
    ),
    rule!(
        ["authorization"],
        r#"(?i)(?P<keep>\bauthorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|digest|negotiate|token)\s+)?)[^\s"']+"#
    ),
    rule!(
        ["bearer"],
        r"(?i)(?P<keep>\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}"
    ),
    // Names with values: `password=x`, `"token": "x"`, `db_passwd: x`, `--api-key x`. That a parser met an unexpected
    // token: is no secret.
    rule!(
        [
            "passw",
            "passphrase",
            "pwd",
            "secret",
            "token",
            "credential",
            "key"
        ],
        concat!(
            r#"(?i)(?P<keep>\b[\w.-]*"#,
            secret_names!(),
            r#"\d*["']?\s*(?:=>?|:=)\s*|\b[\w.-]*"#,
            secret_names!(),
            r#"\d*["']\s*:\s*|\b(?:[\w.-]*[_.-])?(?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key)\d*\s*:\s+|\b[\w.-]+[_.-]token\d*\s*:\s+|--[\w-]*"#,
            secret_names!(),
            r#"\s+)"#,
            value!()
        )
    ),
];

/// Tells whether the value under a name is a secret, whatever it looks like.
pub(super) fn is_secret_name(name: &str) -> bool {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            "(?i)(?:^|[^a-z])",
            secret_names!(),
            r"\d*$|[a-z](?:Password|Secret|Token|ApiKey|PrivateKey)$"
        ))
        .expect("it is a regular expression")
    });
    let lower = name.to_ascii_lowercase();
    let words = ["pass", "pwd", "secret", "token", "credential", "key"];
    words.iter().any(|word| lower.contains(word)) && NAME.is_match(name)
}

/// Rules of this user, beyond those that everybody has.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Regex>);

/// The variable with rules: regular expressions, one a line. What they match is a secret.
pub const VARIABLE: &str = "SESSION_BUDDY_REDACT";
/// The most rules.
const RULES_MAX: usize = 32;
/// The most bytes of a rule.
const RULE_BYTES_MAX: usize = 1_000;
/// The most bytes of a rule once it is made: 256 KiB.
const MADE_BYTES_MAX: usize = 256 * 1024;

impl Rules {
    /// Reads the rules of [`VARIABLE`]. What cannot be used is passed over and said in the second value, by its number.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> (Self, Vec<String>) {
        let text = variable(VARIABLE).unwrap_or_default();
        let text = text.to_string_lossy();
        let lines = text.lines().map(str::trim).zip(1..);
        let mut lines = lines.filter(|(line, _)| !line.is_empty());
        let (mut rules, mut notices) = (Vec::new(), Vec::new());
        for (line, number) in lines.by_ref().take(RULES_MAX) {
            match read(line) {
                Ok(rule) => rules.push(rule),
                Err(problem) => notices.push(format!(
                    "{VARIABLE}: rule {number} {problem}; it is not used, and what it should keep back may leave"
                )),
            }
        }
        if lines.next().is_some() {
            notices.push(format!(
                "{VARIABLE} has more than {RULES_MAX} rules; those behind are not used"
            ));
        }
        (Self(rules), notices)
    }

    /// Replaces what is secret in a text. Doing it twice changes nothing more.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        if self.0.is_empty() && !may_have_secrets(&text) {
            return text;
        }
        // What one rule leaves may be what another one looks for.
        const ROUNDS_MAX: usize = 4;
        for _ in 0..ROUNDS_MAX {
            let next = self.once(&text);
            if next == *text {
                break;
            }
            text = Cow::Owned(next);
        }
        text
    }

    fn once(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut lower = text.to_ascii_lowercase();
        for rule in &RULES {
            if !rule.words.iter().any(|word| lower.contains(word)) {
                continue;
            }
            if let Cow::Owned(next) = rule.regex.replace_all(&text, replacement) {
                lower = next.to_ascii_lowercase();
                text = next;
            }
        }
        for rule in &self.0 {
            text = apply(rule, text);
        }
        text
    }
}

/// Gives what stands in place of a match.
fn replacement(found: &Captures<'_>) -> String {
    let part = |name| found.name(name).map_or("", |part| part.as_str());
    let (keep, after) = (part("keep"), part("after"));
    // A quote stays, so that what stands behind the value is not taken for a part of it.
    let quote = [part("double"), part("single")].concat();
    format!("{keep}{quote}{MARK}{after}")
}

/// Tells, without much work, whether a rule may find something.
fn may_have_secrets(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut words = RULES.iter().flat_map(|rule| rule.words);
    words.any(|word| lower.contains(word))
}

fn read(rule: &str) -> Result<Regex, String> {
    if rule.len() > RULE_BYTES_MAX {
        return Err(format!("is over {RULE_BYTES_MAX} bytes"));
    }
    let made = RegexBuilder::new(rule)
        .size_limit(MADE_BYTES_MAX)
        .dfa_size_limit(MADE_BYTES_MAX)
        .build();
    let made = made.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "becomes too large".to_owned(),
        // The last line says what, and those before it where.
        error => {
            let text = error.to_string();
            let what = text.lines().last().unwrap_or_default();
            let what = what.trim_start_matches("error: ");
            format!("is no regular expression ({what})")
        }
    })?;
    if made.is_match("") {
        return Err("matches nothing at all, which is everywhere".to_owned());
    }
    Ok(made)
}

/// Replaces the matches of a user's rule, but for those within what is replaced already.
fn apply(rule: &Regex, text: String) -> String {
    let marks: Vec<_> = text
        .match_indices(MARK)
        .map(|(at, mark)| (at, at + mark.len()))
        .collect();
    // A match may contain a mark, and may not cut one.
    let cuts = |begin: usize, end: usize| {
        let cut = |(from, to): &(usize, usize)| {
            begin < *to && *from < end && !(begin <= *from && *to <= end)
        };
        marks.iter().any(cut)
    };
    let mut redacted = String::with_capacity(text.len());
    let mut kept = 0;
    for found in rule.find_iter(&text) {
        if found.is_empty() || cuts(found.start(), found.end()) {
            continue;
        }
        redacted.push_str(&text[kept..found.start()]);
        redacted.push_str(MARK);
        kept = found.end();
    }
    redacted.push_str(&text[kept..]);
    redacted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redact(text: &str) -> String {
        Rules::default().redact(text).into_owned()
    }

    fn rules(text: &str) -> (Rules, Vec<String>) {
        Rules::from_environment(&|name| (name == VARIABLE).then(|| OsString::from(text)))
    }

    #[test]
    fn a_secret_goes_and_the_rest_of_the_line_stays() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsZXMifQ.c2lnbmF0dXJl";
        for (text, expected) in [
            (
                "login(user, password=hunter2) failed",
                "login(user, password=[redacted] failed",
            ),
            (
                "PGPASSWORD=hunter2 psql -h db",
                "PGPASSWORD=[redacted] psql -h db",
            ),
            (
                "curl -u x --api-key abc https://h/p",
                "curl -u x --api-key [redacted] https://h/p",
            ),
            (
                r#"{"password": "hun\"ter2", "user": "les"}"#,
                r#"{"password": "[redacted]", "user": "les"}"#,
            ),
            ("passwd = 'a b c' # why", "passwd = '[redacted]' # why"),
            ("db.secret: x y", "db.secret: [redacted] y"),
            (
                "https://h/p?token=abc&user=les",
                "https://h/p?token=[redacted]&user=les",
            ),
            (
                "Server=h;Password=x,y;Database=z",
                "Server=h;Password=[redacted];Database=z",
            ),
            (
                "postgres://les:hun@ter2@db.example:5432/app",
                "postgres://les:[redacted]@db.example:5432/app",
            ),
            (
                "https://ghtoken@github.com/x/y.git",
                "https://[redacted]@github.com/x/y.git",
            ),
            (
                "Authorization: Basic bGVzOng=",
                "Authorization: Basic [redacted]",
            ),
            (
                "sent bearer abcdefghij0123456789 to h",
                "sent bearer [redacted] to h",
            ),
            ("AKIAIOSFODNN7EXAMPLE is gone", "[redacted] is gone"),
            (
                "aws_secret_access_key = wJalrXUt/K7MDENG",
                "aws_secret_access_key = [redacted]",
            ),
            (
                "push ghp_0123456789abcdefABCDEF0123456789abcd",
                "push [redacted]",
            ),
            ("xoxb-123456789012-abcdef said no", "[redacted] said no"),
            (
                "https://hooks.slack.com/services/T0/B0/xyz",
                "https://hooks.slack.com/services/[redacted]",
            ),
        ] {
            assert_eq!(redact(text), expected);
        }
        assert_eq!(redact(&format!("got {jwt} back")), "got [redacted] back");
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        assert_eq!(redact(&format!("a {pem} b")), "a [redacted] b");
        assert_eq!(redact(&format!("a {}", &pem[..40])), "a [redacted]");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "unexpected token: expected a semicolon",
            "no such key: abc",
            "ssh://git@github.com/x/y.git",
            "/home/les/passwords/tokens",
            "mail les@example.org about https://example.org/a@b",
            "three tokens = 3",
            "Bearer authentication is not supported",
            "keyboard layout: us",
            "-----BEGIN CERTIFICATE-----",
            "time=12:30 host=build-7",
            "monkey=banana",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn names_tell_of_secrets() {
        for name in [
            "password",
            "DB_PASSWORD",
            "apiKey",
            "api_key",
            "x-token",
            "accessToken",
            "token2",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "tokens",
            "token_count",
            "monkey",
            "keyboard",
            "passage",
            "project",
            "secretary",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn rules_of_the_user_are_read_a_line_each_and_bad_ones_are_named() {
        let (rules, notices) = rules("cust-[0-9]+\n\n(\n\\w{1000}{1000}\nx*\n(?i)zebra");
        assert_eq!(
            rules.redact("a CUST cust-17 Zebra"),
            "a CUST [redacted] [redacted]"
        );
        insta::assert_snapshot!(notices.join("\n"), @r"
        SESSION_BUDDY_REDACT: rule 3 is no regular expression (unclosed group); it is not used, and what it should keep back may leave
        SESSION_BUDDY_REDACT: rule 4 becomes too large; it is not used, and what it should keep back may leave
        SESSION_BUDDY_REDACT: rule 5 matches nothing at all, which is everywhere; it is not used, and what it should keep back may leave
        ");
    }

    #[test]
    fn a_rule_does_not_find_what_stands_in_place_of_a_secret() {
        let (rules, _) = rules("red|act");
        assert_eq!(
            rules.redact("password=x actor"),
            "password=[redacted] [redacted]or"
        );
    }

    /// A secret in each shape that is known, in which it can be told where it ends.
    fn planted() -> impl Strategy<Value = (String, String)> {
        let secret = "[A-Za-z0-9]{20,40}";
        let shape = prop_oneof![
            Just(("password=", "")),
            Just(("--token ", "")),
            Just(("{\"api_key\": \"", "\"}")),
            Just(("secret='", "'")),
            Just(("https://les:", "@h/p")),
            Just(("Authorization: Bearer ", "")),
            Just(("authorization=", "")),
            Just(("ghp_", "")),
            Just(("xoxb-", "")),
            Just(("eyJhbGciOiJIUzI1NiJ9.", ".c2ln")),
            Just((
                "-----BEGIN PRIVATE KEY-----\n",
                "\n-----END PRIVATE KEY-----"
            )),
            Just(("-----BEGIN PRIVATE KEY-----\n", "")),
        ];
        (shape, secret)
            .prop_map(|((before, after), secret)| (format!("{before}{secret}{after}"), secret))
    }

    proptest! {
        #[test]
        fn no_planted_secret_survives_and_a_second_time_changes_nothing(
            before in ".{0,40}", (planted, secret) in planted(), after in ".{0,40}",
        ) {
            let once = redact(&format!("{before} {planted} {after}"));
            prop_assert!(!once.contains(&secret), "{once}");
            prop_assert_eq!(&redact(&once), &once);
        }

        /// Each secret has a character at least, and what tells of it stays: so a text grows by one mark for each.
        #[test]
        fn any_text_is_redacted_once_and_grows_by_its_marks_at_most(
            text in "(password|token|secret|=|:| |\"|'|//|@|ey|\\.|a|;|&|Bearer|-----BEGIN PRIVATE KEY-----|\\[redacted\\]|\\PC){0,30}",
        ) {
            let once = redact(&text);
            prop_assert_eq!(&redact(&once), &once);
            let marks = once.matches(MARK).count();
            prop_assert!(once.len() <= text.len() + marks * MARK.len());
        }

        #[test]
        fn rules_of_the_user_are_applied_once(text in "[a-c \\[\\]red]{0,40}", rule in "(a|b|ab|a+|[ab]c|red|ted\\]|\\[r)") {
            let (rules, _) = rules(&rule);
            let once = rules.redact(&text).into_owned();
            prop_assert_eq!(rules.redact(&once), once.clone());
        }
    }
}
