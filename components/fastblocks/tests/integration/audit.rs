//! The report over sessions, also over those of somebody who wants to harm its reader.

use serde_json::{Value, json};

use crate::harness::Author;

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*191 }}{% raw %}\u{202e}\u{1b}[31m\u{0}&lt;";

#[test]
fn it_tells_who_was_where_what_failed_what_is_lost_and_what_is_open() {
    let author = Author::new("audit-report");
    author.run(&["build", "--as", "auditor"]).with_code(0);
    let page = |name: &str| author.read(&format!("app/site/{name}/index.html"));
    let overview = author.read("app/site/index.html");
    for figure in [
        "<dt>Sessions</dt><dd>8</dd>",
        "<dt>People</dt><dd>4</dd>",
        "<dt>Open</dt><dd>1</dd>",
        "<dt>With failures</dt><dd>3</dd>",
        "<dt>Lost</dt><dd>1</dd>",
    ] {
        assert!(overview.contains(figure), "{figure}");
    }
    assert!(page("failures").contains("<code>test(): 2 tests failed</code>"));
    assert!(page("failures").contains("2 of 9"));
    assert!(page("lost").contains("kim") && !page("lost").contains("<td>les</td>"));
    assert!(page("open").contains("1h 30m"));
    assert!(page("people").contains("3 sessions in mahavishnu, session-buddy, from ops-1."));
    assert!(page("components").contains("mahavishnu"));
}

#[test]
fn nothing_of_a_session_acts_on_a_page() {
    let author = Author::new("audit-report");
    let sessions: Vec<Value> =
        serde_json::from_str(&author.read("app/data/sessions.json")).unwrap();
    let hostile = sessions
        .into_iter()
        .enumerate()
        .map(|(place, mut session)| {
            for (_, value) in session
                .as_object_mut()
                .unwrap()
                .iter_mut()
                .filter(|(key, value)| value.is_string() && *key != "status")
            {
                *value = HOSTILE.into();
            }
            session["session_id"] = format!("../../{place}/{HOSTILE}").into();
            session["error_message"] = HOSTILE.into();
            session["error_occurred"] = true.into();
            session
        });
    author.write("hostile.json", Value::Array(hostile.collect()).to_string());
    author
        .run(&[
            "build",
            "--as",
            "auditor",
            "--context",
            "sessions=../hostile.json",
        ])
        .with_code(0);
    let files = author.files("app/site");
    assert_eq!(files.len(), 16);
    for (name, bytes) in &files {
        assert!(name.is_ascii() && !name.contains(".."), "{name}");
        let text = String::from_utf8(bytes.clone()).unwrap();
        for acting in [
            "<script",
            "<img",
            "onerror=alert(2)>\"",
            "1337",
            "\u{202e}",
            "\u{1b}",
            "\0",
        ] {
            assert!(!text.contains(acting), "{acting:?} in {name}");
        }
    }
    assert!(
        String::from_utf8_lossy(&files["people/index.html"]).contains("&lt;script&gt;alert(1)")
    );
}

#[test]
fn an_address_that_runs_a_script_fails_the_build() {
    let author = Author::new("audit-report");
    author.edit(
        "blocks/pages/session.html",
        "<p><code>",
        "<a href=\"{{ item.reason or '#' }}\">x</a><p><code>",
    );
    let mut sessions: Value = serde_json::from_str(&author.read("app/data/sessions.json")).unwrap();
    sessions[0]["reason"] = " java\nscript:alert(1)".into();
    author.write("s.json", json!([sessions[0]]).to_string());
    let ran = author
        .run(&[
            "build",
            "--as",
            "auditor",
            "--context",
            "sessions=../s.json",
        ])
        .with_code(1);
    assert!(
        ran.errors
            .contains("an address that begins with javascript:"),
        "{ran:?}"
    );
}

#[test]
fn data_may_come_on_standard_input() {
    let author = Author::new("audit-report");
    let sessions = std::fs::File::open(author.path("app/data/sessions.json")).unwrap();
    let mut command = author.command(&["build", "--context", "sessions=-"]);
    assert!(command.stdin(sessions).status().unwrap().success());
}
