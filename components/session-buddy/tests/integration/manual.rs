//! Completions and the manual, which are made of the definitions of the commands.

use std::{fs, process::Command};

use crate::harness::{Home, PROGRAM, run};

#[test]
fn completions_and_manual_know_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home
            .cli(&format!("completions {shell}"))
            .with_code(0)
            .stdout;
        for word in [
            "list-sessions",
            "stdio",
            "restart",
            "log-level",
            "foreground",
        ] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        assert!(!script.contains("in-background"), "{shell}");
    }
    home.cli("completions cmd").with_code(2).saying("cmd");

    let folder = home.root().join("man/man1");
    home.cli(&format!("man {}", folder.display())).with_code(0);
    for page in [
        "session-buddy",
        "session-buddy-mcp-start",
        "session-buddy-event-buffer-purge",
    ] {
        let text = fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
        assert!(!text.contains("in\\-background"), "{page}");
    }
    home.cli("man /dev/null/there")
        .with_code(1)
        .saying("cannot write the manual");
}

#[test]
fn bash_completes_commands_their_commands_and_flags() {
    let complete = |words: &[&str]| {
        let (word, before) = words.split_last().unwrap();
        // As bash calls it: the program, the word, the word before it.
        let script = "eval \"$(\"$0\" completions bash)\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                      _session__buddy session-buddy \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; \
                      echo \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["-c", script, PROGRAM]).args(before).arg(word);
        run(bash, "").with_code(0).stdout.trim_end().to_owned()
    };
    assert_eq!(complete(&["session-buddy", "li"]), "list-sessions");
    assert_eq!(
        complete(&["session-buddy", "mcp", "st"]),
        "start stop status stdio"
    );
    assert_eq!(
        complete(&["session-buddy", "mcp", "start", "--f"]),
        "--foreground --format"
    );
    assert_eq!(
        complete(&["session-buddy", "end-session", "--fo"]),
        "--force"
    );
    assert_eq!(complete(&["session-buddy", "mcp", "start", "--in"]), "");
}
