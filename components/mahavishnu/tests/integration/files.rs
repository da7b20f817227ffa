//! What the files say, and what is wrong in them.

use crate::harness::User;

#[test]
fn repositories_are_listed_by_tag() {
    let user = User::new();
    let listed = user
        .run(&["repos", "--tag", "rust", "--format", "csv"])
        .with_code(0);
    assert_eq!(
        listed.output,
        "name,path,description,tags\na,project/src/a,The first one,\"[\"\"rust\"\",\"\"core\"\"]\"\nb,project/src/b,,\"[\"\"rust\"\"]\"\n"
    );
    assert_eq!(
        user.json(&["repos"])[2]["tags"],
        serde_json::json!(["node"])
    );
    let wrong = user.run(&["repos", "--tag", "rsut"]).with_code(1);
    assert_eq!(
        wrong.errors,
        "error: no repository has the tag rsut\nhint: did you mean rust?\n"
    );
}

#[test]
fn what_is_wrong_is_told_with_file_line_key_and_what_was_meant() {
    let user = User::new()
        .with_workflow(
            "bad",
            "tags: [rsut]\nsteps:\n  build:\n    run: make\n    timeout: 5\n    need: x\n",
        )
        .with_workflow("good", "tags: [rsut]\nsteps: {a: x}\n");
    std::fs::remove_dir(user.path("project/src/c")).unwrap();
    let found = user.run(&["validate", "--format", "csv"]).with_code(1);
    insta::assert_snapshot!(found.output, @r#"
    file,line,key,problem,suggestion
    project/settings/repos.yaml,,c,there is no folder project/src/c,
    project/settings/workflows/bad.yaml,5,steps.build.timeout,"a number of ms, s, m or h, up to 24h, such as 30s is expected, found ""5""",
    project/settings/workflows/bad.yaml,6,steps.build.need,"unknown key; known are run, needs, timeout, retries, backoff, tags, once, environment",needs
    project/settings/workflows/good.yaml,,tags,no repository has the tag rsut,rust
    "#);
    let ran = user.run(&["run", "bad"]).with_code(1);
    insta::assert_snapshot!(ran.errors, @r#"
    error: project/settings/workflows/bad.yaml:5: steps.build.timeout: a number of ms, s, m or h, up to 24h, such as 30s is expected, found "5"
    hint: 1 more to put right; validate() and `mahavishnu validate` list all
    "#);
}

#[test]
fn what_is_right_is_called_valid() {
    let user = User::new().with_workflow("check", "tags: [rust]\nsteps: {a: x}\n");
    let ran = user.run(&["validate"]).with_code(0);
    assert_eq!(ran.errors, "valid: 3 repositories, 1 workflows\n");
    let ran = user.run(&["run", "chekc"]).with_code(1);
    assert_eq!(
        ran.errors,
        "error: there is no workflow chekc in project/settings/workflows\nhint: did you mean check?\n"
    );
}

#[test]
fn a_dry_run_shows_the_order_and_leaves_nothing() {
    let text = "steps:\n  build: make\n  test: {needs: build, run: make test}\n  report: {needs: test, once: true, run: ./report}\n";
    let user = User::new().with_workflow("check", text);
    let ran = user
        .run(&["run", "check", "--tag", "rust", "--dry-run"])
        .with_code(0);
    insta::assert_snapshot!(ran.output, @r"
    #  Step    Repository  After  Command
    1  build   a                  make
    2  build   b                  make
    3  test    a           1      make test
    4  test    b           2      make test
    5  report              3, 4   ./report
    ");
    assert!(!user.path("state").exists());
}
