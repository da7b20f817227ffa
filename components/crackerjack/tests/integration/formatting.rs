//! What formatters would change, and whether they may.

use std::fs;

use crate::harness::{Site, pairs};

const UGLY: &str = "pub fn  f() -> u32 { 1 }\n";
const NICE: &str = "pub fn f() -> u32 {\n    1\n}\n";

#[test]
fn files_are_changed_only_where_somebody_says_so() {
    let site = Site::with_real_tools("cargo");
    site.write("project/src/lib.rs", UGLY);
    let ran = site.run(&["format-code"]).with_code(1);
    assert!(ran.errors.contains("-pub fn  f() -> u32 { 1 }"), "{ran:?}");
    assert!(ran.errors.contains("hint: `format-code --yes`"), "{ran:?}");
    let text = || fs::read_to_string(site.path("project/src/lib.rs")).unwrap();
    assert_eq!(text(), UGLY);
    let ran = site.run(&["format-code", "--yes"]).with_code(0);
    assert!(ran.output.contains("changed"), "{ran:?}");
    assert_eq!(text(), NICE);
    let ran = site.run(&["format-code"]).with_code(0);
    assert!(ran.output.contains("nothing to change"), "{ran:?}");
}

#[test]
fn a_file_that_cannot_be_read_by_the_formatter_is_a_failure() {
    let site = Site::with_real_tools("cargo");
    site.write("project/src/lib.rs", "pub fn (\n");
    assert_eq!(
        site.verdicts(&["format-code", "--yes"]),
        pairs(&[("rustfmt", "failed")])
    );
    assert_eq!(
        fs::read_to_string(site.path("project/src/lib.rs")).unwrap(),
        "pub fn (\n"
    );
}

#[test]
fn prettiers_files_are_shown_as_a_difference() {
    let site = Site::of("node");
    site.write("project/.prettierrc", "{}");
    site.program(
        "project/node_modules/.bin/prettier",
        "case \"$1\" in --list-different) echo shelf.js; exit 1;; --write) echo nice > shelf.js;; *) echo nice;; esac",
    );
    site.tool("cat", "exit 0");
    let before = fs::read_to_string(site.path("project/shelf.js")).unwrap();
    let ran = site.run(&["format-code"]).with_code(1);
    assert!(
        ran.errors.contains("--- shelf.js\n+++ shelf.js\n"),
        "{ran:?}"
    );
    assert!(
        ran.errors.contains("\n-\"use strict\";\n") && ran.errors.contains("\n+nice\n"),
        "{ran:?}"
    );
    assert_eq!(
        fs::read_to_string(site.path("project/shelf.js")).unwrap(),
        before
    );
    site.run(&["format-code", "--yes"]).with_code(0);
    assert_eq!(
        fs::read_to_string(site.path("project/shelf.js")).unwrap(),
        "nice\n"
    );
}
