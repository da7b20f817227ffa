//! The shell: the same helpers, and who it is.

use serde_json::{Value, json};

use crate::harness::User;

#[test]
fn helpers_give_what_the_commands_give() {
    let user = User::new()
        .with_workflow("good", "description: All is well\nsteps: {a: 'true'}\n")
        .with_workflow("bad", "steps: {a: exit 1}\n");
    user.run(&["run", "bad"]).with_code(1);
    for (command, script) in [
        (["ps"].as_slice(), "ps()"),
        (&["top"], "top()"),
        (&["errors"], "errors()"),
        (&["workflows"], "workflows()"),
        (&["repos", "--tag", "rust"], "repos('rust')"),
        (&["repos", "--tag", "rust"], "%repos rust"),
        (&["validate"], "validate()"),
        (&["adapters"], "adapters()"),
    ] {
        let by_command = user.run(command);
        let by_shell = user.run(&["shell", "-c", script]);
        assert_eq!(
            (by_command.output, by_command.errors, by_command.code),
            (by_shell.output, by_shell.errors, by_shell.code),
            "{script}"
        );
    }
}

#[test]
fn a_script_runs_a_workflow_and_looks_at_it() {
    let user = User::new().with_workflow("good", "steps: {a: 'true'}\n");
    let ran = user.run(&[
        "shell",
        "-c",
        "let r = run('good', tag='core'); print(r.status); print(r.results.len())",
    ]);
    assert_eq!(ran.with_code(0).output, "completed\n1\n");
    let ran = user
        .run(&["shell", "-c", "print(sync().len()); to_json(ps())"])
        .with_code(0);
    assert!(ran.output.starts_with("1\n"), "{}", ran.output);
}

#[test]
fn a_panel_tells_a_workflow_and_a_wrong_id_is_told() {
    let user = User::new().with_workflow("bad", "tags: [core]\nsteps: {a: 'echo oh no; exit 3'}\n");
    user.run(&["run", "bad"]).with_code(1);
    let id = user.json(&["ps"])[0]["id"].as_str().unwrap().to_owned();
    let panel = user
        .run(&["shell", "-c", &format!("%workflow {}", &id[12..])])
        .with_code(0)
        .output;
    for line in [
        format!("ID:         {id}"),
        "Status:     failed".to_owned(),
        "Progress:   100 %".to_owned(),
        "Repository: project/src/a".to_owned(),
    ] {
        assert!(panel.lines().any(|other| other == line), "{line}: {panel}");
    }
    assert!(panel.contains("] a in a: exit code 3: oh no\n"), "{panel}");
    let usage = user.run(&["shell", "-c", "%workflow"]);
    assert!(
        usage.errors.contains("Usage: %workflow <id>"),
        "{}",
        usage.errors
    );
    let wrong = user.run(&["shell", "-c", "%workflow wf-nope"]);
    assert!(
        wrong.errors.contains("Workflow not found: wf-nope"),
        "{}",
        wrong.errors
    );
}

#[test]
fn nothing_to_show_is_said() {
    let user = User::new();
    for (command, said) in [
        ("ps", "No workflows to display\n"),
        ("top", "No active workflows\n"),
        ("errors", "No errors found\n"),
        ("sync", "nothing has changed since the last sync\n"),
    ] {
        let ran = user.run(&[command]).with_code(0);
        assert_eq!((&*ran.output, &*ran.errors), ("", said), "{command}");
        assert_eq!(user.json(&[command]), json!([]), "{command}");
    }
}

#[test]
fn a_session_says_what_mahavishnu_is() {
    let metadata = metadata(&User::new());
    assert_eq!(metadata["component_type"], "orchestrator");
    assert_eq!(metadata["cli_enabled"], true);
    assert_eq!(metadata["component_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(metadata["adapters"], json!(["local"]));
}

/// Opens a shell that is tracked, and gives the metadata of its session from what it has spooled.
pub(crate) fn metadata(user: &User) -> Value {
    let sessions = tempfile::TempDir::new().unwrap();
    let mut command = user.command(&["shell", "-c", "print(1)"]);
    command
        .env_remove("MAHAVISHNU_SESSION_ENABLED")
        .env("SESSION_BUDDY_HOME", sessions.path())
        .env("SESSION_BUDDY_PORT", "1");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let spool = std::fs::read_dir(sessions.path().join("spool")).unwrap();
    let files = spool.filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    let text: Vec<_> = files
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let text = text.concat();
    let start = text
        .find("{\"actor\"")
        .or_else(|| text.find("{\"component_name\""))
        .unwrap();
    let mut events = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
    let event = events.next().unwrap().unwrap();
    assert_eq!(event["component_name"], "mahavishnu");
    assert_eq!(event["shell_type"], "MahavishnuShell");
    event["metadata"].clone()
}
