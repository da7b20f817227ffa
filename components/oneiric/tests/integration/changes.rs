//! What has changed since the last look.

use crate::harness::User;

#[test]
fn a_look_tells_what_has_changed_since_the_last_one() {
    let user = User::with_billing();
    user.write(
        "project/settings/billing.yaml",
        "port: 1\napi: {token: one}\ngone: x\n",
    );
    let look = |format| {
        user.run(&[
            "reload-settings",
            "--component",
            "billing",
            "--format",
            format,
        ])
        .with_code(0)
    };
    let first = look("table");
    assert!(
        first
            .errors
            .contains("the first look at billing: 4 settings"),
        "{first:?}"
    );
    let same = look("table");
    assert_eq!(same.output, "");
    assert!(
        same.errors.ends_with("nothing has changed in billing\n"),
        "{same:?}"
    );
    user.write(
        "project/settings/billing.yaml",
        "api: {token: two}\nhost: 127.0.0.1\nnew: y\nport: 2\n",
    );
    insta::assert_snapshot!(look("csv").output, @r"
    key,change,before,after,origin_before,origin_after
    api.token,changed,<hidden>,<hidden>,project/settings/billing.yaml:2,project/settings/billing.yaml:1
    gone,removed,x,,project/settings/billing.yaml:3,
    host,moved,127.0.0.1,127.0.0.1,the default,project/settings/billing.yaml:2
    new,added,,y,,project/settings/billing.yaml:3
    port,changed,1,2,project/settings/billing.yaml:1,project/settings/billing.yaml:4
    ");
    assert_eq!(look("table").output, "");
}

#[test]
fn a_memory_that_is_damaged_or_has_no_place_is_told() {
    let user = User::with_billing();
    user.run(&["reload-settings", "--component", "billing"])
        .with_code(0);
    let folder = user.path("home/.local/state/oneiric");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    std::fs::write(file.path(), "{").unwrap();
    let ran = user
        .run(&["reload-settings", "--component", "billing"])
        .with_code(0);
    assert!(ran.errors.contains("the first look at billing"), "{ran:?}");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    let ran = user
        .run(&["reload-settings", "--component", "billing"])
        .with_code(1);
    assert!(
        ran.errors
            .starts_with("error: could not keep what was seen in "),
        "{ran:?}"
    );
}
