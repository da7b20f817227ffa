//! The replay buffer: events on disk that no server has acknowledged yet.
//!
//! # Layout
//!
//! A folder `spool` of mode 0700 in the state folder holds one file of mode 0600 for each session, `<session id>.spool`.
//! `refused/` beside the files holds those that a server refused for good, `dropped.json` counts what the bounds cost.
//!
//! # Format
//!
//! ```text
//! file   = "SBSPOOL1" record*
//! record = 0xA5 0x5B  length: u32 LE  crc: u32 LE  kind: u8  body: length - 1 bytes
//! ```
//!
//! `crc` is CRC-32C over length, kind and body. A body is JSON. Kinds: `H` header (session id, component, destination,
//! boot id of the writer), `S` start event, `E` end event, `A` acknowledged (the offset up to which events are
//! acknowledged; the id that a foreign server gave the session), `R` refused for good (why), `P` problem (why the last
//! delivery failed, for people).
//!
//! # Invariants
//!
//! 1. **A file begins whole.** Magic, header and start event are one write under the lock; a file without them says
//!    nothing.
//! 2. **A held lock means that the owner lives.** The shell holds an exclusive `flock` on its file from creation to its
//!    end; nobody else writes to it. The system lets go of the lock when the process dies, however it dies.
//! 3. **Append only.** A record is one `write`. One that fails half way is cut off again at once, or by whoever opens the
//!    file next: then it is a torn tail, which was never reported as written.
//! 4. **Order is the order of the file.** Start, then end; an event is sent when all before it are acknowledged or sent
//!    in the same request.
//! 5. **Nothing goes before it is acknowledged** or refused for good: a file is removed when its end is acknowledged. A
//!    refused file, and one with a damaged record, moves to `refused/` instead.
//! 6. **Room for the end is there from the start** (`fallocate`), so that a disk that fills up in between does not lose it.
//!
//! There is no fsync: events survive the death of the process, not that of the machine's power. Those that a server has
//! acknowledged survive both.
//!
//! # Recovery
//!
//! A file whose lock can be taken belongs to a dead shell. Whoever takes the lock (the next shell, the server,
//! `session-buddy event-buffer replay`) **adopts** it: cuts a torn tail; where there is no end, appends an end with
//! `exit_reason` `lost`, so that a second adopter sends the same one; delivers what is not acknowledged; removes it.
//! After a damaged record (a flipped bit) reading goes on at the next record that is whole; what a damaged
//! acknowledgement forgot is sent again, which a server answers alike. A file in which no event is whole, and none was ever
//! taken, says nothing, not even that a shell died, for its shell may go on without it: it moves to `refused/`. An empty one
//! is removed; who has just made it sees that once it has the lock, and makes another.
//!
//! A file is looked at only if it is a regular file of our own, no symbolic link and with no second name. Anything else in the
//! folder, and a file that does not begin with the magic, is left as it is and reported.

mod contents;
pub mod disk;
mod dropped;
mod file;
mod folder;
mod format;
mod look;
#[cfg(test)]
mod properties;

pub use contents::{Acknowledged, Contents, Event, EventKind, Header, Refused, Unreadable};
pub use disk::Disk;
pub use dropped::Dropped;
pub use file::{Adoption, SpoolError, SpoolFile};
pub use folder::{Bounds, Spool};
pub use look::{Look, look};
