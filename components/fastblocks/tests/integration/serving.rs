//! The server, as a browser meets it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStderr, Stdio},
    time::{Duration, Instant},
};

use crate::harness::Author;

/// A server that is stopped with the test.
struct Server {
    child: Child,
    /// What it tells.
    lines: BufReader<ChildStderr>,
    address: String,
}

impl Server {
    fn start(author: &Author, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = ["serve", "--port", "0"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let mut child = author
            .command(&arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        let mut server = Self {
            child,
            lines,
            address,
        };
        server.line();
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Opens a connection that asks for something, exactly as written.
    fn ask(&self, method: &str, path: &str, host: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        self.ask("GET", path, &self.address)
            .read_to_string(&mut answer)
            .unwrap();
        answer
    }

    fn status(&self, method: &str, path: &str, host: &str) -> u16 {
        let mut answer = String::new();
        BufReader::new(self.ask(method, path, host))
            .read_line(&mut answer)
            .unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pages_and_files_are_shown_and_nothing_else() {
    let author = Author::new("audit-report");
    author.write("app/secret.txt", "secret");
    let server = Server::start(&author, &["--as", "auditor"]);
    let page = server.get("/people/");
    assert!(
        page.starts_with("HTTP/1.1 200 OK") && page.contains("<h2>ana</h2>"),
        "{page}"
    );
    assert!(page.contains("EventSource"), "it hears of changes");
    assert!(server.get("/static/style.css").contains("text/css"));
    let here = server.address.clone();
    assert_eq!(server.status("GET", "/people", &here), 308);
    assert_eq!(server.status("POST", "/people/", &here), 405);
    for path in [
        "/static/../secret.txt",
        "/static/../fastblocks.yaml",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/../../../../etc/passwd",
        "//etc/passwd",
        "/static//etc/passwd",
        "/static/style.css/",
        "/fastblocks.yaml",
        "/data/sessions.json",
        "/static/",
        "/static/\\..\\secret.txt",
    ] {
        let answer = server.get(path);
        assert!(
            answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
            "{path}: {answer}"
        );
        assert!(
            !answer.contains("root:") && !answer.contains(">secret<"),
            "{path}: {answer}"
        );
    }
    assert!(server.get("/%3Cscript%3E").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_name_that_is_not_this_machine_is_not_answered() {
    let author = Author::new("small");
    let server = Server::start(&author, &[]);
    assert_eq!(server.status("GET", "/", "localhost"), 200);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "",
    ] {
        assert_eq!(server.status("GET", "/", host), 421, "{host}");
        assert_eq!(
            server.status("GET", "/__fastblocks/changes", host),
            421,
            "{host}"
        );
    }
}

#[test]
fn a_role_sees_its_pages() {
    let author = Author::new("audit-report");
    let server = Server::start(&author, &[]);
    let page = server.get("/people/");
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    assert!(
        page.contains("<b>auditor</b>") && !page.contains("ana"),
        "{page}"
    );
    assert!(!server.get("/").contains("People</a>"));
}

#[test]
fn a_change_is_told_to_the_browser_and_what_breaks_is_shown_with_its_line() {
    let author = Author::new("small");
    let mut server = Server::start(&author, &[]);
    let mut changes =
        BufReader::new(server.ask("GET", "/__fastblocks/changes", &server.address.clone()));
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut until = |wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(changes.read_line(&mut line).unwrap(), 0, "the stream ended");
            assert!(Instant::now() < deadline, "no {wanted}");
        }
    };
    until("text/event-stream");
    author.edit(
        "blocks/pages/home.html",
        "{{ site.about }}",
        "{{ site.about }}{{ <b> }}",
    );
    until("event: change");
    assert!(
        server
            .line()
            .starts_with("blocks/pages/home.html:7: syntax error")
    );
    let page = server.get("/");
    assert!(page.starts_with("HTTP/1.1 500"), "{page}");
    assert!(
        page.contains("blocks&#x2f;pages&#x2f;home.html:7") && page.contains("EventSource"),
        "{page}"
    );
    assert!(!page.contains("<b>"), "{page}");
    author.edit("blocks/pages/home.html", "{{ <b> }}", " again");
    until("event: change");
    assert_eq!(server.line(), "read: nothing is wrong");
    assert!(
        server
            .get("/")
            .contains("One page, one layout, one style sheet again")
    );
}

#[test]
fn ctrl_c_stops_it_also_while_a_browser_listens() {
    let author = Author::new("small");
    let mut server = Server::start(&author, &[]);
    let listening = server.ask("GET", "/__fastblocks/changes", &server.address.clone());
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
    drop(listening);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let author = Author::new("small");
    let server = Server::start(&author, &[]);
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let ran = author.run(&["serve", "--port", &port]).with_code(1);
    assert!(
        ran.errors
            .contains("hint: --port 0 takes any port that is free"),
        "{ran:?}"
    );
}
