//! Tools that run, and their verdicts.

use crate::harness::{Site, pairs, text};

#[test]
fn a_cargo_project_is_checked_by_the_real_cargo() {
    let site = Site::with_real_tools("cargo");
    site.tool("cargo-audit", "echo '0 advisories'");
    let rows = site.rows(&["crack"]);
    let verdicts: Vec<_> = rows
        .iter()
        .map(|row| (text(&row["tool"]), text(&row["verdict"])))
        .collect();
    let expected = [
        "clippy",
        "rustfmt",
        "cargo-check",
        "cargo-audit",
        "cargo-test",
    ];
    assert_eq!(
        verdicts,
        pairs(&expected.map(|tool| (tool, "passed"))),
        "{rows:?}"
    );
    assert_eq!(rows[4]["summary"], "1 passed, 0 failed, 0 ignored");
    assert_eq!(rows[4]["exit_code"], 0);
    assert!(rows[4]["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_the_real_cargo_finds_fails_with_what_it_said() {
    let site = Site::with_real_tools("cargo");
    site.write(
        "project/src/lib.rs",
        "pub fn  f(x: u32) -> bool { return x == x; }\n#[test]\nfn t() { assert!(!f(1)) }\n",
    );
    assert_eq!(
        site.verdicts(&["lint"]),
        pairs(&[("clippy", "failed"), ("rustfmt", "failed")])
    );
    let ran = site.run(&["test"]).with_code(1);
    assert!(ran.errors.contains("   test t ... FAILED"), "{ran:?}");
    assert!(
        ran.output.contains("0 passed, 1 failed, 0 ignored"),
        "{ran:?}"
    );
    site.write("project/src/lib.rs", "pub fn f() -> u32 { \"\" }\n");
    let rows = site.rows(&["typecheck"]);
    assert_eq!(rows[0]["summary"], "1 error: mismatched types");
}

#[test]
fn go_is_missing_and_never_passes() {
    let site = Site::of("go");
    let verdicts = site.verdicts(&["crack"]);
    let expected = ["go-vet", "gofmt", "go-build", "govulncheck", "go-test"];
    assert_eq!(verdicts, pairs(&expected.map(|tool| (tool, "missing"))));
    let ran = site.run(&["test"]).with_code(1);
    assert!(
        ran.output
            .contains("install it with: apt-get install golang-go"),
        "{ran:?}"
    );
}

#[test]
fn a_python_project_is_checked_by_what_is_installed() {
    let site = Site::of("python");
    site.tool("ruff", "echo 'All checks passed!'");
    site.tool(
        "mypy",
        "echo 'shelf.py:1: error: no' >&2; echo 'Found 1 error'; exit 1",
    );
    site.tool("bandit", "exit 0");
    // A project's own environment goes before the PATH.
    site.tool("pytest", "echo wrong; exit 9");
    site.program("project/.venv/bin/pytest", "echo '== 1 passed in 0.01s =='");
    let expected = [
        ("ruff", "passed"),
        ("ruff-format", "passed"),
        ("mypy", "failed"),
        ("bandit", "passed"),
        ("pytest", "passed"),
    ];
    assert_eq!(site.verdicts(&["crack"]), pairs(&expected));
    let ran = site.run(&["crack"]).with_code(1);
    assert!(ran.errors.contains("   shelf.py:1: error: no\n"), "{ran:?}");
    assert!(ran.output.contains("1 passed in 0.01s"), "{ran:?}");
    let stopped = site.verdicts(&["crack", "--stop-on-first"]);
    assert_eq!(stopped, pairs(&expected[..3]));
}

#[test]
fn a_node_projects_scripts_are_its_tools() {
    let site = Site::with_real_tools("node");
    // npm keeps its cache in the home of the test.
    let verdicts = site.verdicts(&["crack"]);
    assert_eq!(
        verdicts,
        pairs(&[("lint-script", "passed"), ("test-script", "passed")])
    );
    let rows = site.rows(&["test"]);
    assert_eq!(rows[0]["summary"], "1 passed, 0 failed");
    site.write(
        "project/package.json",
        r#"{"scripts": {"test": "no-such-program-anywhere"}}"#,
    );
    let ran = site.run(&["test"]).with_code(1);
    assert!(
        ran.output.contains("missing") && ran.output.contains("npm install"),
        "{ran:?}"
    );
    site.write("project/package.json", "{}");
    let ran = site.run(&["test"]).with_code(1);
    assert!(
        ran.errors.starts_with(
            "note: the node project has nothing to test with\nerror: there is nothing to run"
        ),
        "{ran:?}"
    );
}

#[test]
fn a_tool_that_rustup_only_promises_is_missing() {
    let site = Site::of("cargo");
    site.tool("cargo-clippy", "exit 1");
    site.tool(
        "cargo",
        "echo \"error: 'cargo-clippy' is not installed for the toolchain 'stable'\" >&2; exit 1",
    );
    let rows = site.rows(&["lint"]);
    assert_eq!(
        (&rows[0]["verdict"], &rows[0]["exit_code"]),
        (&"missing".into(), &1.into())
    );
    assert!(text(&rows[0]["summary"]).ends_with("install it with: rustup component add clippy"));
}

#[test]
fn all_parts_of_a_project_are_checked() {
    let site = Site::of("mixed");
    let rows = site.rows(&["test"]);
    let found: Vec<_> = rows
        .iter()
        .map(|row| [text(&row["kind"]), text(&row["folder"])])
        .collect();
    assert_eq!(
        found,
        [
            ["cargo", "."],
            ["python", "."],
            ["go", "api"],
            ["node", "web"]
        ]
    );
}

#[test]
fn a_project_disables_overrides_and_bounds_its_tools() {
    let site = Site::of("python");
    site.write(
        "project/crackerjack.yaml",
        "disable: [bandit, mypy]\ncommands:\n  pytest: mine 'a b'\ntimeouts:\n  ruff: 1s\n  ruff-format: 1s\n",
    );
    site.tool("mine", "echo \"$# $1\"");
    site.tool("ruff", "echo begun; exec sleep 1000");
    site.program("bin/sleep", "while :; do :; done");
    let rows = site.rows(&["crack"]);
    let found: Vec<_> = rows
        .iter()
        .map(|row| (text(&row["tool"]), text(&row["verdict"])))
        .collect();
    let expected = [
        ("ruff", "timed_out"),
        ("ruff-format", "timed_out"),
        ("pytest", "passed"),
    ];
    assert_eq!(found, pairs(&expected));
    assert_eq!(rows.last().unwrap()["summary"], "1 a b");
    site.write("project/crackerjack.yaml", "disabled: [bandit]\n");
    let ran = site.run(&["crack"]).with_code(1);
    assert!(
        ran.errors
            .contains("crackerjack.yaml:1: disabled: unknown key, did you mean disable?"),
        "{ran:?}"
    );
}

#[test]
fn what_a_tool_writes_does_not_act_on_the_terminal() {
    let site = Site::of("python");
    site.tool(
        "pytest",
        "printf '\\033[31mred\\033]0;title\\007\\tx\\n'; exit 1",
    );
    let ran = site.run(&["test"]).with_code(1);
    assert!(
        !ran.errors.contains('\u{1b}') && ran.errors.contains("red\\u{1b}]0;title"),
        "{ran:?}"
    );
    assert!(!ran.output.contains('\u{1b}'));
}
