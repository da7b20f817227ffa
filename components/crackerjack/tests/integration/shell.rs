//! The shell: the same helpers, and who it is.

use serde_json::{Value, json};

use crate::harness::Site;

#[test]
fn helpers_give_what_the_commands_give() {
    let site = Site::of("python");
    for (command, script) in [
        ("show-project", "show_project()"),
        ("show-adapters", "show_adapters()"),
        ("show-hooks", "show_hooks()"),
        ("lint", "lint()"),
        ("scan", "scan()"),
        ("typecheck", "typecheck()"),
        ("test", "test()"),
        ("crack", "crack()"),
        ("format-code", "format_code()"),
    ] {
        let by_command = site.run(&[command]);
        let by_shell = site.run(&["shell", "-c", script]);
        assert_eq!(
            (by_command.output, by_command.code),
            (by_shell.output, by_shell.code),
            "{script}"
        );
    }
    let ran = site
        .run(&["shell", "-c", "test()[0].verdict; exit(0)"])
        .with_code(0);
    assert_eq!(ran.output, "");
}

#[test]
fn a_session_says_what_crackerjack_is_and_of_which_project() {
    let site = Site::of("python");
    site.tool("ruff", "");
    let mut command = site.command(&["shell", "-c", "print(shell.session_id)"]);
    command
        .env_remove("CRACKERJACK_SESSION_ENABLED")
        .env("SESSION_BUDDY_PORT", "1");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let spool = std::fs::read_dir(site.path("state/spool")).unwrap();
    let files = spool.filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    let text: Vec<_> = files
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let text = text.concat();
    let at = text.find("\"component_name\"").unwrap();
    let start = text[..at].rfind('{').unwrap();
    let mut events = text[..=at]
        .match_indices('{')
        .map(|(place, _)| place)
        .chain([start]);
    let event: Value = events
        .find_map(|place| {
            let mut read = serde_json::Deserializer::from_str(&text[place..]).into_iter::<Value>();
            read.next()?.ok().filter(|event| {
                event["component_name"] == "crackerjack" && event["metadata"].is_object()
            })
        })
        .unwrap();
    assert_eq!(event["shell_type"], "CrackerjackShell");
    let root = std::fs::canonicalize(site.path("project")).unwrap();
    let expected = json!({
        "component_version": env!("CARGO_PKG_VERSION"),
        "component_type": "inspector",
        "cli_enabled": true,
        "adapters": ["ruff", "ruff-format"],
        "project_root": root,
    });
    assert_eq!(event["metadata"], expected);
}
