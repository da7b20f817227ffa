//! A small HTTP/1.1 client: one connection, one request at a time, no allocation per request once warm.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A kept-alive connection to a server on this machine.
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    /// The token that goes with each request.
    token: Option<&'static str>,
    out: Vec<u8>,
    input: Vec<u8>,
}

/// An answer; it lives in the connection's buffer until the next request.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// The beginning of the answer, for an error message.
    pub(crate) fn excerpt(&self) -> String {
        let body = String::from_utf8_lossy(self.body);
        format!(
            "{} {}",
            self.status,
            body.chars().take(300).collect::<String>()
        )
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address,
            token: None,
            out: Vec::with_capacity(2048),
            input: Vec::with_capacity(4096),
        })
    }

    /// Says who asks with each request from now on.
    pub(crate) fn with_token(self, token: Option<&'static str>) -> Self {
        Self { token, ..self }
    }

    /// Posts JSON with the headers of an MCP client.
    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer<'_>> {
        const MCP_CLIENT: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
            MCP-Protocol-Version: 2025-11-25";
        self.post_with(path, MCP_CLIENT, body).await
    }

    /// Posts lines of JSON.
    pub(crate) async fn post_lines(&mut self, path: &str, body: &[u8]) -> io::Result<Answer<'_>> {
        self.post_with(path, "Content-Type: application/x-ndjson", body)
            .await
    }

    async fn post_with(
        &mut self,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Answer<'_>> {
        self.out.clear();
        write!(
            self.out,
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        )?;
        if let Some(token) = self.token {
            write!(self.out, "Authorization: Bearer {token}\r\n")?;
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
        self.exchange().await
    }

    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer<'_>> {
        self.out.clear();
        write!(
            self.out,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n",
            self.address
        )?;
        self.exchange().await
    }

    /// Sends a request that somebody else wrote.
    pub(crate) async fn forward(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.out.clear();
        self.out.extend_from_slice(request);
        self.exchange().await
    }

    /// Sends bytes and waits for nothing.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    async fn exchange(&mut self) -> io::Result<Answer<'_>> {
        self.stream.write_all(&self.out).await?;
        self.input.clear();
        let head_end = loop {
            self.read_more().await?;
            if let Some(end) = find(&self.input, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = head(&self.input[..head_end])?;
        let status = status(head)?;
        let length = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
        let chunked = header(head, "transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        match length {
            Some(length) => {
                while self.input.len() < head_end + length {
                    self.read_more().await?;
                }
            }
            None if chunked => {
                let mut at = head_end;
                while let Some(next) = self.read_chunk(at).await? {
                    at = next;
                }
                self.input.truncate(at);
            }
            None if status == 202 || status == 204 => {}
            None => return Err(invalid("the answer has no length")),
        }
        Ok(Answer {
            status,
            body: &self.input[head_end..],
        })
    }

    /// Takes the frame of the chunk at `at` out of the buffer; the place behind its content, or nothing after the last.
    async fn read_chunk(&mut self, at: usize) -> io::Result<Option<usize>> {
        let line = loop {
            match find(&self.input[at..], b"\r\n") {
                Some(line) => break line,
                None => self.read_more().await?,
            }
        };
        let size = std::str::from_utf8(&self.input[at..at + line])
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or_else(|| invalid("a chunk has no size"))?;
        while self.input.len() < at + line + 2 + size + 2 {
            self.read_more().await?;
        }
        self.input.drain(at + size + line + 2..at + size + line + 4);
        self.input.drain(at..at + line + 2);
        Ok((size > 0).then_some(at + size))
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Asks for `path` over a fresh blocking stream and tells whether the answer is 200.
pub(crate) fn answers_ok(mut stream: impl Read + Write, path: &str) -> bool {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut status = [0; 12];
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_exact(&mut status))
        .is_ok()
        && status.ends_with(b" 200")
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// How often `needle` stands in `haystack`.
pub(crate) fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let mut rest = haystack;
    std::iter::from_fn(|| {
        let at = find(rest, needle)?;
        rest = &rest[at + needle.len()..];
        Some(())
    })
    .count()
}

fn head(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| invalid("the head of the answer is not text"))
}

fn status(head: &str) -> io::Result<u16> {
    let code = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("the answer has no status"))
}

/// A header of a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| {
        line.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
            && line.as_bytes().get(name.len()) == Some(&b':')
    })?;
    Some(line[name.len() + 1..].trim())
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `answer`, in the given pieces.
    fn serve(pieces: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
            }
        });
        address
    }

    async fn fetch(pieces: &'static [&'static str]) -> io::Result<(u16, String)> {
        let mut connection = Connection::open(serve(pieces)).await?;
        let answer = connection.get("/").await?;
        let body = String::from_utf8_lossy(answer.body);
        Ok((answer.status, body.into_owned()))
    }

    #[tokio::test]
    async fn reads_an_answer_with_a_length() {
        let answer = fetch(&["HTTP/1.1 200 OK\r\nContent-", "Length: 5\r\n\r\nhe", "llo"])
            .await
            .unwrap();
        assert_eq!(answer, (200, "hello".to_owned()));
    }

    #[tokio::test]
    async fn reads_an_answer_in_chunks() {
        let answer = fetch(&[
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "lo\r\n6\r",
            "\n world\r\n0\r\n\r\n",
        ]);
        assert_eq!(answer.await.unwrap(), (503, "hello world".to_owned()));
    }

    #[tokio::test]
    async fn a_closed_connection_is_an_error() {
        let error = fetch(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
