//! Layers, and what wins.

use serde_json::json;

use crate::harness::User;

fn full() -> User {
    let user = User::with_billing()
        .variable("BILLING_PORT", "5")
        .variable("BILLING_API__TOKEN", "s3cret-e");
    user.write("project/settings/billing.yaml", "port: 1\nhost: a\n");
    user.write("project/settings/local.yaml", "# mine\nport: 2\n");
    user.write(
        "home/.config/billing/config.yaml",
        "port: 3\napi: {token: s3cret-f}\n",
    );
    user.write("home/.config/billing/local.yaml", "port: 4\n");
    user
}

#[test]
fn each_layer_is_read_and_counted() {
    let user = full();
    let layers = user.json(&["show-layers", "--component", "billing", "--set", "port=6"]);
    let found: Vec<_> = layers
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            json!([
                layer["layer"],
                layer["path"],
                layer["present"],
                layer["keys"],
                layer["wins"]
            ])
        })
        .collect();
    let expected = json!([
        [
            "defaults",
            "project/settings/billing.schema.yaml",
            "yes",
            2,
            0
        ],
        ["project", "project/settings/billing.yaml", "yes", 2, 1],
        ["project, local", "project/settings/local.yaml", "yes", 1, 0],
        ["user", "home/.config/billing/config.yaml", "yes", 2, 0],
        [
            "user, local",
            "home/.config/billing/local.yaml",
            "yes",
            1,
            0
        ],
        ["environment", "BILLING_*", "yes", 2, 1],
        ["flags", "--set", "yes", 1, 1],
    ]);
    assert_eq!(json!(found), expected);
}

#[test]
fn the_winner_and_all_that_it_beat_are_told_with_their_lines() {
    let user = full();
    let ran = user.run(&[
        "config",
        "explain",
        "port",
        "--component",
        "billing",
        "--set",
        "port=6",
    ]);
    insta::assert_snapshot!(ran.with_code(0).output, @r"
    Standing  Value  Said by
    wins      6      flag --set
    beaten    5      environment variable BILLING_PORT
    beaten    4      home/.config/billing/local.yaml:1
    beaten    3      home/.config/billing/config.yaml:1
    beaten    2      project/settings/local.yaml:2
    beaten    1      project/settings/billing.yaml:1
    beaten    8678   the default
    ");
}

#[test]
fn what_is_missing_and_what_is_broken_is_told_and_holds_up_nothing() {
    let user = User::with_billing();
    user.write("project/settings/billing.yaml", "port: 1\nport: 2\n");
    user.write("home/.config/billing/config.yaml", "host: b\n");
    let layers = user.json(&["config", "layers", "--component", "billing"]);
    assert_eq!(layers[1]["present"], "refused");
    assert!(
        layers[1]["problem"]
            .as_str()
            .unwrap()
            .ends_with("billing.yaml:2: port: already set on line 1")
    );
    assert_eq!(layers[2]["present"], "no");
    assert_eq!(
        (&layers[3]["present"], &layers[3]["wins"]),
        (&json!("yes"), &json!(1))
    );
}

#[test]
fn secrets_are_shown_nowhere() {
    let user = full();
    user.write(
        "project/settings/local.yaml",
        "db_password: s3cret-g\nport: s3cretless\n",
    );
    for arguments in [
        ["show-config", "--component", "billing"].as_slice(),
        &["explain", "api.token", "--component", "billing"],
        &["explain", "db_password", "--component", "billing"],
        &["validate-config", "--component", "billing"],
        &["reload-settings", "--component", "billing"],
        &["show-config", "--component", "billing", "--format", "json"],
    ] {
        let ran = user.run(arguments);
        let all = format!("{}{}", ran.output, ran.errors);
        assert!(!all.contains("s3cret-"), "{arguments:?}: {all}");
    }
    let shown = user.run(&["show-config", "--component", "billing"]).output;
    assert!(shown.contains("<hidden>"), "{shown}");
    let kept = std::fs::read_dir(user.path("home/.local/state/oneiric")).unwrap();
    let kept: Vec<_> = kept
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(kept.len() == 1 && !kept[0].contains("s3cret-"), "{kept:?}");
}

#[test]
fn session_buddys_own_file_is_the_one_of_its_state_folder() {
    let user = User::new().variable("SESSION_BUDDY_PORT", "9000");
    user.write("state/config.yaml", "log_level: debug\n");
    let ran = user.run(&[
        "show-config",
        "--component",
        "session-buddy",
        "--format",
        "csv",
    ]);
    insta::assert_snapshot!(ran.with_code(0).output, @r#"
    key,value,origin,beats,about
    allowed_hosts,,,0,names under which a proxy asks
    allowed_origins,,,0,sites whose pages may use the server
    bad_tokens_burst,100,the default,0,tokens that are not good and may come at once
    bad_tokens_per_minute,60,the default,0,tokens of an address in a minute that are not good
    bodies_bytes_max,67108864,the default,0,bytes of bodies that a door holds at once
    body_timeout,10s,the default,0,how long a body may take
    bytes_per_second_min,16384,the default,0,how fast an answer must be taken
    connections_max,16384,the default,0,connections of a door
    connections_per_address,256,the default,0,connections of an address elsewhere
    connections_per_minute,3000,the default,0,new connections of an address elsewhere in a minute
    db_path,,,0,the database; else sessions.db in the state folder
    event_lag_max,50000,the default,0,records that an event stream may fall behind
    event_streams_max,256,the default,0,event streams of a door
    event_streams_per_address,16,the default,0,event streams of an address elsewhere
    header_bytes_max,32768,the default,0,bytes of the request line and headers
    header_timeout,10s,the default,0,"how long a TLS handshake, or the headers of a request, may take"
    headers_max,64,the default,0,how many headers a request may have
    home,state,environment variable SESSION_BUDDY_HOME,0,
    host,127.0.0.1,the default,0,the address to listen at
    idle_timeout,75s,the default,0,silence between two requests
    local_requests_burst,100000,the default,0,requests on this machine that may come at once
    local_requests_per_second,50000,the default,0,requests on this machine in a second
    log_level,debug,state/config.yaml:1,1,what to log
    port,9000,environment variable SESSION_BUDDY_PORT,1,the port to listen at
    prometheus_metrics_enabled,true,the default,0,whether there are metrics
    prometheus_metrics_path,/metrics,the default,0,their path
    prometheus_metrics_port,,,0,a port with nothing but metrics; else they are at the server's own
    refusal_delay,1s,the default,0,how long a 429 is held back
    requests_burst,1000,the default,0,requests from elsewhere that may come at once
    requests_max,4096,the default,0,requests of a door that are worked on at once
    requests_per_address,16,the default,0,requests of an address elsewhere that are worked on at once
    requests_per_second,200,the default,0,requests from elsewhere in a second
    stale_after,24h,the default,0,how long a session may be silent
    tls_certificate,,,0,"the certificate of the TCP door, and those that signed it"
    tls_key,,,0,"its key, readable by its owner alone"
    trust_loopback,false,the default,0,whether every local user may do everything
    trusted_proxies,,,0,addresses of proxies that are believed for whom they ask
    write_timeout,30s,the default,0,time in which nothing of an answer is taken
    "#);
}

#[test]
fn a_slip_in_a_key_is_answered_with_the_key() {
    let ran = User::with_billing().run(&["explain", "prot", "--component", "billing"]);
    assert_eq!(
        ran.with_code(1).errors,
        "error: billing has no setting prot\nhint: did you mean port?\n"
    );
    let ran = User::new().run(&["explain", "port", "--set", "port"]);
    assert_eq!(
        ran.with_code(2).errors,
        "error: set: KEY=TEXT is expected, found \"port\"\n"
    );
}
