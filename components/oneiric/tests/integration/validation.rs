//! What is wrong: file, line, key, problem, and what was probably meant.

use crate::harness::User;

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let user = User::with_billing()
        .variable("BILLING_PRT", "1")
        .variable("BILLING_BIND", "b")
        .variable("BILLING_PORT", "many");
    user.write("project/settings/billing.yaml", "port: 70000\nhots: a\n");
    user.write("project/settings/local.yaml", "host: [a\n");
    user.write("home/.config/billing/config.yaml", "\nport: x\n");
    user.write("home/.config/billing/local.yaml", "port: 4\n");
    let ran = user.run(&[
        "config",
        "validate",
        "--component",
        "billing",
        "--format",
        "csv",
    ]);
    insta::assert_snapshot!(ran.with_code(1).output, @r#"
    file,line,key,problem,suggestion
    project/settings/local.yaml,2,host,"while parsing a flow sequence, expected ',' or ']'",
    project/settings/billing.yaml,1,port,"expected an integer from 1 to 65535, found ""70000""",
    project/settings/billing.yaml,2,hots,unknown key,host
    home/.config/billing/config.yaml,2,port,"expected an integer from 1 to 65535, found ""x""",
    environment variable BILLING_PORT,,port,"expected an integer from 1 to 65535, found ""many""",
    environment variable BILLING_PRT,,prt,unknown variable,port
    "#);
}

#[test]
fn what_is_right_is_said_to_be() {
    let user = User::with_billing();
    user.write("project/settings/billing.yaml", "port: 1\n");
    let ran = user
        .run(&["config", "validate", "--component", "billing"])
        .with_code(0);
    assert_eq!(
        (&*ran.output, &*ran.errors),
        ("", "valid: 2 settings in 4 layers of billing\n")
    );
}

#[test]
fn where_nothing_is_declared_that_is_said() {
    let user = User::new();
    user.write("project/settings/depot.yaml", "prot: 1\n");
    let ran = user
        .run(&["validate-config", "--component", "depot"])
        .with_code(0);
    assert!(
        ran.errors.contains("nobody declares the settings of depot"),
        "{ran:?}"
    );
    let ran = user
        .run(&["show-layers", "--component", "no/name"])
        .with_code(1);
    assert!(
        ran.errors.contains("\"no/name\" is no name of a component"),
        "{ran:?}"
    );
}

#[test]
fn a_wrong_schema_is_named_with_its_line() {
    for (schema, problem) in [
        (
            "port:\n  type: whole\n",
            "2: port.type: one of text, path, boolean",
        ),
        ("port:\n  min: 1\n", "2: port.min: the `type` is missing"),
        ("port: 1\n", "1: port: a setting is a mapping with a `type`"),
        (
            "port:\n  type: integer\n  default: x\n",
            "3: port.default: expected an integer from",
        ),
        (
            "port:\n  type: integer\n  mni: 1\n",
            "3: port.mni: a declaration has `type`, and may have about",
        ),
        (
            "level:\n  type: choice\n",
            "2: level.type: a choice needs `choices`",
        ),
    ] {
        let user = User::new();
        user.write("project/settings/billing.schema.yaml", schema);
        let ran = user
            .run(&["show-config", "--component", "billing"])
            .with_code(1);
        let expected = format!("error: project/settings/billing.schema.yaml:{problem}");
        assert!(ran.errors.starts_with(&expected), "{schema}: {ran:?}");
    }
}

#[test]
fn what_the_server_takes_is_right() {
    let user = User::new();
    let config = "allowed_hosts: [buddy.example.org]\nheader_timeout: 500ms\nheaders_max: 20\n\
                  components:\n  vault: {reason_required: true}\nheaders_mx: 1\n";
    user.write("state/config.yaml", config);
    let validate = ["config", "validate", "--component", "session-buddy"];
    let ran = user.run(&[&validate[..], &["--format", "csv"]].concat());
    insta::assert_snapshot!(ran.with_code(1).output, @r"
    file,line,key,problem,suggestion
    state/config.yaml,6,headers_mx,unknown key,headers_max
    ");
}

#[test]
fn akoshas_settings_are_known_in_both_spellings() {
    let user = User::new().variable("AKOSHA_SESSIONS_MAX", "0");
    user.write(
        "project/settings/akosha.yaml",
        "servers: [\"http://ops-1:8678\"]\nservrs: x\n",
    );
    for name in ["akosha", "akasha"] {
        let format = ["--format", "csv"];
        let validate = ["config", "validate", "--component", name];
        let ran = user.run(&[&validate[..], &format].concat()).with_code(1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.output, @r#"
            file,line,key,problem,suggestion
            project/settings/akosha.yaml,2,servrs,unknown key,servers
            environment variable AKOSHA_SESSIONS_MAX,,sessions_max,"expected an integer from 1 to 10000000, found ""0""",
            "#);
        }
        let show = ["show-config", "--component", name];
        let ran = user.run(&[&show[..], &format].concat());
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.output, @r#"
            key,value,origin,beats,about
            servers,http://ops-1:8678,project/settings/akosha.yaml:1,0,the servers that are asked when none is named; else the one of this user
            servrs,x,project/settings/akosha.yaml:2,0,
            sessions_max,0,environment variable AKOSHA_SESSIONS_MAX,1,"how many sessions are read of a server, the newest of them"
            "#);
        }
    }
}
