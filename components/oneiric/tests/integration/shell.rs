//! The shell: the same helpers, and who it is.

use serde_json::Value;

use crate::harness::User;

#[test]
fn helpers_give_what_the_commands_give() {
    let user = User::with_billing();
    user.write("project/settings/billing.yaml", "port: 1\nhots: a\n");
    for (command, script) in [
        (
            ["config", "layers"].as_slice(),
            "show_layers(component='billing')",
        ),
        (&["config", "show"], "show_config(component='billing')"),
        (&["config", "explain", "port"], "explain('port', 'billing')"),
        (&["config", "validate"], "validate_config('billing')"),
    ] {
        let by_command: Vec<_> = command
            .iter()
            .copied()
            .chain(["--component", "billing"])
            .collect();
        let by_command = user.run(&by_command);
        let by_shell = user.run(&["shell", "-c", script]);
        assert_eq!(
            (by_command.output, by_command.code),
            (by_shell.output, by_shell.code),
            "{script}"
        );
    }
}

#[test]
fn its_own_settings_say_which_component_is_meant() {
    let user = User::with_billing();
    user.write("home/.config/oneiric/config.yaml", "component: billing\n");
    let layers = user.json(&["show-layers"]);
    assert!(
        layers[0]["path"]
            .as_str()
            .unwrap()
            .ends_with("billing.schema.yaml")
    );
    let ran = user
        .run(&["shell", "-c", "config.filter(|s| s.key == 'port')[0].value"])
        .with_code(0);
    assert_eq!(ran.output, "'8678'\n");
}

#[test]
fn a_session_says_what_oneiric_is() {
    let user = User::new();
    let mut command = user.command(&["shell", "-c", "print(shell.session_id)"]);
    command
        .env_remove("ONEIRIC_SESSION_ENABLED")
        .env("SESSION_BUDDY_PORT", "1");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let spool = std::fs::read_dir(user.path("state/spool")).unwrap();
    let files = spool.filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    let text: Vec<_> = files
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let text = text.concat();
    let start = text
        .find("{\"actor\"")
        .or_else(|| text.find("{\"component_name\""))
        .unwrap();
    let event: Value = serde_json::Deserializer::from_str(&text[start..])
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(event["component_name"], "oneiric");
    assert_eq!(event["shell_type"], "OneiricShell");
    let metadata = &event["metadata"];
    assert_eq!(metadata["component_type"], "foundation");
    assert_eq!(metadata["cli_enabled"], true);
    assert_eq!(metadata["component_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        metadata["adapters"],
        serde_json::json!(["defaults", "files", "environment", "flags"])
    );
}
