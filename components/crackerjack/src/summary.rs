//! What a tool said, in a line.

use std::collections::VecDeque;

/// Gives what matters of the last lines of a tool.
pub(crate) fn of(tool: &str, tail: &VecDeque<String>) -> String {
    let known = match tool {
        "cargo-test" => cargo_test(tail),
        "clippy" | "cargo-check" => diagnostics(tail),
        "rustfmt" => count(tail, "Diff in ", "place", "not laid out as rustfmt does"),
        "ruff" => line(tail, "Found "),
        "bandit" => count(tail, ">> Issue:", "issue", "found"),
        "test-script" => node_test(tail),
        _ => None,
    };
    known.or_else(|| last(tail)).unwrap_or_default()
}

/// Gives the last line that says something, without what frames it.
fn last(tail: &VecDeque<String>) -> Option<String> {
    let mut lines = tail
        .iter()
        .rev()
        .map(|line| line.trim_matches([' ', '=', '-', '\t']));
    lines.find(|line| !line.is_empty()).map(str::to_owned)
}

/// Gives the last line that begins so.
fn line(tail: &VecDeque<String>, beginning: &str) -> Option<String> {
    let mut lines = tail.iter().rev();
    lines.find(|line| line.starts_with(beginning)).cloned()
}

/// Adds up the results of all test programs.
fn cargo_test(tail: &VecDeque<String>) -> Option<String> {
    let results: Vec<_> = tail
        .iter()
        .filter_map(|line| line.strip_prefix("test result: "))
        .collect();
    if results.is_empty() {
        return errors(tail);
    }
    let sum = |word: &str| -> u64 {
        results
            .iter()
            .filter_map(|line| number_before(line, word))
            .sum()
    };
    Some(format!(
        "{} passed, {} failed, {} ignored",
        sum("passed"),
        sum("failed"),
        sum("ignored")
    ))
}

/// Gives the number that stands before a word.
fn number_before(line: &str, word: &str) -> Option<u64> {
    let words: Vec<_> = line
        .split([' ', ';', '.', ','])
        .filter(|word| !word.is_empty())
        .collect();
    let place = words.iter().position(|found| *found == word)?;
    words.get(place.checked_sub(1)?)?.parse().ok()
}

/// Counts what a compiler says.
fn diagnostics(tail: &VecDeque<String>) -> Option<String> {
    errors(tail).or_else(|| {
        let warnings = tail
            .iter()
            .filter(|line| line.starts_with("warning: "))
            .count();
        Some(if warnings == 0 {
            "nothing found".to_owned()
        } else {
            plural(warnings, "warning")
        })
    })
}

fn errors(tail: &VecDeque<String>) -> Option<String> {
    let is_error = |line: &&String| {
        (line.starts_with("error[") || line.starts_with("error: "))
            && !line.starts_with("error: could not compile")
    };
    let mut found = tail.iter().filter(is_error);
    let first = found.next()?;
    let text = first
        .split_once(": ")
        .map_or(first.as_str(), |(_, text)| text);
    Some(format!("{}: {text}", plural(1 + found.count(), "error")))
}

fn count(tail: &VecDeque<String>, beginning: &str, thing: &str, rest: &str) -> Option<String> {
    let found = tail
        .iter()
        .filter(|line| line.trim_start().starts_with(beginning))
        .count();
    (found > 0).then(|| format!("{} {rest}", plural(found, thing)))
}

/// Reads the end of `node --test`: `# pass 2` or `ℹ pass 2`.
fn node_test(tail: &VecDeque<String>) -> Option<String> {
    let number = |word: &str| {
        let found = tail.iter().rev().find_map(|line| {
            let line = line.trim_start_matches(['#', 'ℹ', ' ']);
            line.strip_prefix(word)?.trim().parse::<u64>().ok()
        });
        found.map(|number| format!("{number} {word}ed"))
    };
    let (passed, failed) = (number("pass")?, number("fail")?);
    Some(format!("{passed}, {failed}"))
}

fn plural(count: usize, thing: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_matters_is_found() {
        for (tool, output, summary) in [
            (
                "cargo-test",
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n\
                 test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\nerror: test failed",
                "5 passed, 1 failed, 1 ignored",
            ),
            (
                "cargo-test",
                "error[E0425]: cannot find value `x`\nerror: could not compile `a`",
                "1 error: cannot find value `x`",
            ),
            (
                "clippy",
                "error: this is odd\n --> a\nerror: that too\nerror: could not compile `a`",
                "2 errors: this is odd",
            ),
            ("clippy", "    Finished `dev` profile", "nothing found"),
            (
                "pytest",
                "..\n===== 2 passed in 0.01s =====\n",
                "2 passed in 0.01s",
            ),
            (
                "ruff",
                "F401\nFound 1 error.\n[*] 1 fixable with `--fix`.\n",
                "Found 1 error.",
            ),
            (
                "test-script",
                "# tests 2\n# pass 2\n# fail 0\n# duration_ms 1",
                "2 passed, 0 failed",
            ),
            ("mypy", "", ""),
        ] {
            let tail = output.lines().map(str::to_owned).collect();
            assert_eq!(of(tool, &tail), summary, "{tool}");
        }
    }
}
