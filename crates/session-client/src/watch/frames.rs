//! Server-sent events (WHATWG HTML, section 9.2.6), as bytes come in.
//!
//! The library that reads them elsewhere keeps a line for as long as it does not end; a server that never ends one would
//! fill the memory of whoever watches it.

use std::collections::VecDeque;

/// The most bytes of an event: 1 MiB. One of ours at all its bounds has 300 KiB.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What stands between two empty lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: Option<String>,
    pub(super) event: Option<String>,
    pub(super) data: String,
}

/// An event that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of over {FRAME_BYTES_MAX} bytes came")]
pub(super) struct TooLong;

/// What has come of a frame.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frame: Frame,
    line: Vec<u8>,
    /// Of the frame so far.
    bytes: usize,
    /// The last byte ended a line, and a line feed after it belongs to it.
    after_return: bool,
}

impl Frames {
    /// Takes bytes, and gives each frame that they end.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        ready: &mut VecDeque<Frame>,
    ) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => ready.extend(self.end_line()),
                byte => {
                    self.bytes += 1;
                    if self.bytes > FRAME_BYTES_MAX {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.bytes = 0;
            let frame = std::mem::take(&mut self.frame);
            return (frame != Frame::default()).then_some(frame);
        }
        let line = String::from_utf8_lossy(&line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.frame.id = Some(value.to_owned()),
            "event" => self.frame.event = Some(value.to_owned()),
            "data" if self.frame.data.is_empty() => value.clone_into(&mut self.frame.data),
            "data" => {
                self.frame.data.push('\n');
                self.frame.data.push_str(value);
            }
            // Comments, and what others may add.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(parts: &[&[u8]]) -> Vec<Frame> {
        let (mut frames, mut ready) = (Frames::default(), VecDeque::new());
        for part in parts {
            frames.take(part, &mut ready).unwrap();
        }
        ready.into()
    }

    fn frame(id: Option<&str>, event: Option<&str>, data: &str) -> Frame {
        Frame {
            id: id.map(str::to_owned),
            event: event.map(str::to_owned),
            data: data.to_owned(),
        }
    }

    const TEXT: &[u8] =
        b"retry: 1000\nid: a\n\n: alive\nid:b\r\n\r\nid: c\revent: start\rdata: {\rdata: }\r\r\n\n";

    #[test]
    fn every_line_end_and_field_is_read() {
        let expected = [
            frame(Some("a"), None, ""),
            frame(Some("b"), None, ""),
            frame(Some("c"), Some("start"), "{\n}"),
        ];
        assert_eq!(frames(&[TEXT]), expected);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(at in 0..TEXT.len(), then in 0..TEXT.len()) {
            let (first, last) = (at.min(then), at.max(then));
            let parts = [&TEXT[..first], &TEXT[first..last], &TEXT[last..]];
            prop_assert_eq!(frames(&parts), frames(&[TEXT]));
        }
    }

    #[test]
    fn an_event_that_never_ends_is_given_up() {
        let (mut frames, mut ready) = (Frames::default(), VecDeque::new());
        let part = [b'x'; 64 * 1024];
        let taken = (0..=16).map(|_| frames.take(&part, &mut ready));
        assert_eq!(taken.filter(Result::is_err).count(), 1);
    }
}
