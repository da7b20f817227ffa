//! The shell: the same helpers, and who it is.

use serde_json::Value;

use crate::harness::Author;

#[test]
fn helpers_give_what_the_commands_give() {
    let author = Author::new("audit-report");
    author.edit(
        "blocks/pages/open.html",
        "rows = sessions",
        "rows = session",
    );
    for (command, script) in [
        (["routes"].as_slice(), "routes()"),
        (&["auth"], "auth()"),
        (&["check"], "check()"),
        (&["build", "--as", "auditor"], "build(role='auditor')"),
        (&["render", "gone"], "render('gone')"),
    ] {
        let by_command = author.run(command);
        let by_shell = author.run(&["shell", "-c", script]);
        assert_eq!(
            (by_command.output, by_command.code),
            (by_shell.output, by_shell.code),
            "{script}"
        );
    }
}

#[test]
fn auth_is_a_value_and_a_function() {
    let author = Author::new("audit-report");
    let ran = author
        .run(&[
            "shell",
            "-c",
            "auth.enabled; print(auth.default_access); print(auth().len())",
        ])
        .with_code(0);
    assert_eq!(ran.output, "auditor\n7\n");
    author.edit("fastblocks.yaml", "default: auditor", "default: public");
    let ran = author.run(&["shell", "-c", "auth.enabled"]).with_code(0);
    assert_eq!(ran.output, "False\n", "it is looked at each time");
    std::fs::remove_file(author.path("app/fastblocks.yaml")).unwrap();
    let ran = author.run(&["shell", "-c", "auth"]).with_code(0);
    assert!(
        ran.output
            .starts_with("Unknown: there is no fastblocks.yaml"),
        "{ran:?}"
    );
}

#[test]
fn a_block_is_rendered_with_the_context_that_is_given() {
    let author = Author::new("audit-report");
    let ran = author
        .run(&[
            "shell",
            "-c",
            "render('parts/session_table', #{rows: [], empty: '<none>'})",
        ])
        .with_code(0);
    assert_eq!(ran.output.trim(), "<p class=\"empty\">&lt;none&gt;</p>");
    author.write("app/empty.json", "\"none\"");
    let arguments = [
        "render",
        "parts/session_table",
        "--context",
        "rows=data/sessions.json",
        "--context",
        "empty=empty.json",
    ];
    let ran = author.run(&arguments).with_code(0);
    assert_eq!(ran.output.matches("<tr>").count(), 9);
    let html = author.json(&arguments);
    assert!(html.as_str().unwrap().contains("<table>"));
    let ran = author
        .run(&[
            "render",
            "parts/session_table",
            "--context",
            "row=data/sessions.json",
        ])
        .with_code(1);
    assert!(
        ran.errors
            .contains("row was given, and is not declared, did you mean rows?"),
        "{ran:?}"
    );
    let ran = author.run(&["render", "parts/session_tabel"]).with_code(1);
    assert!(
        ran.errors.contains("did you mean parts/session_table?"),
        "{ran:?}"
    );
}

#[test]
fn a_session_says_what_fastblocks_is_and_where() {
    let author = Author::new("small");
    let mut command = author.command(&["shell", "-c", "print(shell.session_id)"]);
    command
        .env_remove("FASTBLOCKS_SESSION_ENABLED")
        .env("SESSION_BUDDY_PORT", "1");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let spooled: Vec<_> = author
        .files("state/spool")
        .into_values()
        .flatten()
        .collect();
    let text = String::from_utf8_lossy(&spooled);
    let start = text
        .find("{\"actor\"")
        .or_else(|| text.find("{\"component_name\""))
        .unwrap();
    let event = serde_json::Deserializer::from_str(&text[start..])
        .into_iter::<Value>()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        (&event["component_name"], &event["shell_type"]),
        (&"fastblocks".into(), &"FastBlocksShell".into())
    );
    let metadata = &event["metadata"];
    assert_eq!(metadata["component_type"], "builder");
    assert_eq!(metadata["cli_enabled"], true);
    assert_eq!(metadata["component_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        metadata["adapters"],
        serde_json::json!(["templates", "routes", "static_files", "auth"])
    );
    let root = std::fs::canonicalize(author.path("app")).unwrap();
    assert_eq!(metadata["project_root"], root.to_str().unwrap());
}
