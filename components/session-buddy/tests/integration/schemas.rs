//! The schemas of the models, by every way to them, and documents held against them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::{Value, json};
use session_model::schema::MODELS;

use crate::harness::{Home, Ran, Server, end, start, with};

fn model(name: &str) -> Value {
    session_model::schema::Model::named(name).unwrap().schema()
}

#[test]
fn rest_mcp_and_the_command_line_give_the_same_schemas() {
    let server = Server::start();
    let listed = server.get("/api/schemas").json();
    assert_eq!(listed["version"], "1.0");
    let names: Vec<_> = MODELS.iter().map(|model| model.name).collect();
    let schemas = listed["schemas"].as_array().unwrap();
    let found: Vec<_> = schemas
        .iter()
        .map(|schema| schema["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, names);
    assert_eq!(server.call("list_event_schemas", json!({})).content, listed);
    assert_eq!(
        server
            .call("list_event_schemas", json!({"name": null}))
            .content,
        listed
    );
    for name in names {
        let schema = model(name);
        assert_eq!(server.get(&format!("/api/schemas/{name}")).json(), schema);
        let one = server.call("list_event_schemas", json!({"name": name}));
        let expected = json!({"version": "1.0", "schemas": [{"name": name, "schema": schema}]});
        assert_eq!(one.content, expected);
        assert_eq!(
            server
                .cli(&format!("schema show {name}"))
                .with_code(0)
                .json(),
            schema
        );
    }
    let listed = server.cli("schema list --format json").with_code(0).json();
    assert_eq!(listed["schemas"].as_array().unwrap().len(), MODELS.len());
}

#[test]
fn a_name_that_is_wrong_is_answered_with_the_right_one() {
    let server = Server::start();
    let meant =
        "there is no schema \"SessionStart\"; did you mean SessionStartEvent? known are UserInfo, ";
    let problem = server
        .get("/api/schemas/SessionStart")
        .problem(404, "NOT_FOUND");
    assert!(
        problem["detail"].as_str().unwrap().starts_with(meant),
        "{problem}"
    );
    let called = server.call("list_event_schemas", json!({"name": "SessionStart"}));
    assert!(called.is_error);
    assert_eq!(called.content["error_code"], "NOT_FOUND");
    assert!(
        called.content["detail"]
            .as_str()
            .unwrap()
            .starts_with(meant),
        "{called:?}"
    );
    let called = server.call("list_event_schemas", json!({"name": 7}));
    assert_eq!(called.content["error_code"], "INVALID_PARAMETER");
    for line in ["schema show SessionStart", "schema validate SessionStart -"] {
        server
            .cli(line)
            .with_code(2)
            .saying("similar value exists: 'SessionStartEvent'");
    }
}

#[test]
fn the_list_is_for_people_unless_asked_otherwise() {
    insta::assert_snapshot!(Home::new().cli("schema list").with_code(0).stdout, @r"
    Name                    Written by  What it is
    UserInfo                senders     Whose shell it is
    EnvironmentInfo         senders     Where the shell runs
    SessionStartEvent       senders     A shell began
    SessionEndEvent         senders     A shell ended
    SessionHeartbeatEvent   senders     A shell lives
    SessionStartResult      server      The answer to a start
    SessionEndResult        server      The answer to an end
    SessionHeartbeatResult  server      The answer to a heartbeat
    SessionRecord           server      One session, everything that is known of it
    AnalyticsReport         server      The answer to a question about many sessions
    ErrorResponse           server      How a tool that is not an event tool says that it failed
    ");
}

#[test]
fn a_schema_in_yaml_says_what_it_says_in_json() {
    let home = Home::new();
    let yaml = home
        .cli("schema show UserInfo --format yaml")
        .with_code(0)
        .stdout;
    insta::assert_snapshot!(yaml, @r##"
    $schema: "https://json-schema.org/draft/2020-12/schema"
    description: "Whose shell it is."
    properties:
      home:
        description: "Home directory, outer white space taken off."
        maxLength: 500
        pattern: "^[^\\u0000]*$"
        type: "string"
      login_name:
        description: "Who logged in, where that is another name."
        maxLength: 100
        pattern: "^[^\\u0000]*$"
        type:
          - "string"
          - "null"
      login_name_source:
        description: "Where `login_name` comes from."
        enum:
          - "loginuid"
          - "sudo_user"
          - null
        type:
          - "string"
          - "null"
      username:
        description: "Account name, outer white space taken off."
        maxLength: 100
        pattern: "^[^\\u0000]*$"
        type: "string"
    required:
      - "username"
      - "home"
    title: "UserInfo"
    type: "object"
    "##);
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn export_writes_a_file_for_each_model() {
    let home = Home::new();
    let folder = home.root().join("out/schemas");
    let line = format!("schema export {}", folder.display());
    let said = format!("11 schemas are in {}\n", folder.display());
    assert_eq!(home.cli(&line).with_code(0).stdout, said);
    let mut expected: Vec<_> = MODELS
        .iter()
        .map(|model| format!("{}.json", model.name))
        .collect();
    expected.sort();
    assert_eq!(names_in(&folder), expected);
    for model in MODELS {
        let file = folder.join(format!("{}.json", model.name));
        let schema: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(schema, model.schema());
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o600,
            0o600
        );
    }
    assert_eq!(
        home.cli(&line).with_code(0).stdout,
        said,
        "what is there already may stay"
    );
    home.cli(&format!("{line} --format yaml")).with_code(0);
    assert_eq!(names_in(&folder).len(), 22);
    home.cli(&format!("{line} --format toml")).with_code(2);
}

#[test]
fn export_leaves_alone_what_it_did_not_write_and_writes_all_or_nothing() {
    let home = Home::new();
    let folder = home.root().join("schemas");
    fs::create_dir(&folder).unwrap();
    // The last one in order, so that the others would be written before it is looked at.
    let last = folder.join("ErrorResponse.json");
    fs::write(&last, "mine").unwrap();
    let line = format!("schema export {}", folder.display());
    home.cli(&line)
        .with_code(1)
        .saying("ErrorResponse.json is there with other content; nothing was written");
    assert_eq!(names_in(&folder), ["ErrorResponse.json"]);
    assert_eq!(fs::read_to_string(&last).unwrap(), "mine");
    home.cli(&format!("{line} --force")).with_code(0);
    let schema: Value = serde_json::from_slice(&fs::read(&last).unwrap()).unwrap();
    assert_eq!(schema, model("ErrorResponse"));
    assert_eq!(names_in(&folder).len(), 11);

    // A link is replaced, and what it means stays as it is.
    let elsewhere = home.root().join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    fs::remove_file(&last).unwrap();
    symlink(&elsewhere, &last).unwrap();
    home.cli(&line).with_code(1).saying("with other content");
    home.cli(&format!("{line} --force")).with_code(0);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
    assert!(fs::symlink_metadata(&last).unwrap().is_file());

    // A folder cannot be replaced by a file.
    fs::remove_file(&last).unwrap();
    fs::remove_file(folder.join("UserInfo.json")).unwrap();
    fs::create_dir(&last).unwrap();
    home.cli(&format!("{line} --force"))
        .with_code(1)
        .saying("cannot write the schemas");
    assert!(
        !folder.join("UserInfo.json").exists(),
        "it is all or nothing"
    );
    home.cli("schema export /dev/null/there")
        .with_code(1)
        .saying("cannot write the schemas to /dev/null/there");
}

fn validate(home: &Home, name: &str, input: &str) -> Ran {
    home.cli_with_input(&format!("schema validate {name} -"), input)
}

#[test]
fn validate_names_every_field_that_is_wrong_with_its_bound() {
    let home = Home::new();
    let good = start(1).to_string();
    let valid = validate(&home, "SessionStartEvent", &good).with_code(0);
    assert_eq!(valid.stdout, "standard input: a valid SessionStartEvent\n");
    let bad = with(
        start(1),
        json!({"pid": 0, "hostname": "x".repeat(256), "user": {"username": 7, "home": "/"}, "timestamp": "\u{1b}[31m"}),
    );
    let ran = validate(&home, "SessionStartEvent", &bad.to_string()).with_code(1);
    insta::assert_snapshot!(format!("{}{}", ran.stdout, ran.stderr), @r#"
    standard input: timestamp: expected an RFC 3339 time such as 2026-02-06T10:30:00Z, found "\u{1b}[31m"
    standard input: pid: expected an integer from 1 to 4194304, found 0
    standard input: user.username: expected a string, found a number
    standard input: hostname: at most 255 characters, found 256
    error: standard input is no valid SessionStartEvent
    "#);
    let ran = validate(&home, "SessionEndEvent", &good).with_code(1);
    assert!(ran.stdout.contains("session_id: required"), "{ran:?}");
}

#[test]
fn validate_reads_files_and_lines() {
    let home = Home::new();
    let write = |name: &str, text: &str| {
        let file = home.root().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let file = write(
        "end.json",
        &format!("{:#}\n", end("mahavishnu-20260206-220458-z3ucgb7g")),
    );
    let ran = home
        .cli(&format!("schema validate SessionEndEvent {file}"))
        .with_code(0);
    assert_eq!(ran.stdout, format!("{file}: a valid SessionEndEvent\n"));

    let lines = format!("{}\n\n{}\nnothing\n{{}}", start(1), start(2));
    for (name, flag) in [
        ("starts.ndjson", ""),
        ("starts.jsonl", ""),
        ("starts.txt", " --lines"),
    ] {
        let file = write(name, &lines);
        let line = format!("schema validate SessionStartEvent {file}{flag}");
        let ran = home.cli(&line).with_code(1);
        assert!(
            ran.stdout.starts_with(&format!("{file}:4: not JSON: ")),
            "{ran:?}"
        );
        assert!(
            ran.stdout
                .contains(&format!("\n{file}:5: event_version: required\n")),
            "{ran:?}"
        );
        assert!(!ran.stdout.contains(&format!("{file}:1:")), "{ran:?}");
        ran.saying(&format!(
            "2 of the 4 documents in {file} are no valid SessionStartEvent"
        ));
    }
    let two = format!("{}\n{}\n", start(1), start(2));
    let file = write("two.ndjson", &two);
    let ran = home
        .cli(&format!("schema validate SessionStartEvent {file}"))
        .with_code(0);
    assert_eq!(ran.stdout, format!("{file}: 2 valid SessionStartEvent\n"));
}

#[test]
fn validate_says_what_it_cannot_read() {
    let home = Home::new();
    for (input, said) in [
        ("", "standard input: not JSON: EOF while parsing a value"),
        (
            "{\"a\": 1",
            "standard input: not JSON: EOF while parsing an object",
        ),
        ("\u{feff}{}", "standard input: not JSON: "),
        ("{} {}", "standard input: not JSON: trailing characters"),
    ] {
        let ran = validate(&home, "UserInfo", input).with_code(1);
        assert!(ran.stdout.starts_with(said), "{ran:?}");
    }
    let deep = "[".repeat(100_000);
    let ran = validate(&home, "UserInfo", &deep).with_code(1);
    assert!(ran.stdout.contains("recursion limit"), "{ran:?}");
    home.cli("schema validate UserInfo /nowhere/x.json")
        .with_code(1)
        .saying("cannot read /nowhere/x.json");
    home.cli("schema validate UserInfo /dev/zero")
        .with_code(1)
        .saying("over 16777216 bytes");
    home.cli("schema validate UserInfo").with_code(2);
    home.cli("schema").with_code(2);
}
