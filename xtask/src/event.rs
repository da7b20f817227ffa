//! Events as shells send them: seeded, so that two runs send the same, and cheap to make.

use std::io::Write;

use jiff::Timestamp;
use uuid::{Builder, Uuid};

const COMPONENTS: [(&str, &str); 6] = [
    ("oneiric", "OneiricShell"),
    ("session-buddy", "SessionBuddyShell"),
    ("mahavishnu", "MahavishnuShell"),
    ("crackerjack", "CrackerjackShell"),
    ("akosha", "AkoshaShell"),
    ("fastblocks", "FastBlocksShell"),
];
const USERS: u64 = 1_500;
const HOSTS: u64 = 500;

/// SplitMix64: small, fast, and good enough to choose ids and moments.
pub(crate) struct Random(u64);

impl Random {
    /// A stream of its own for each combination of `seeds`.
    pub(crate) fn new(seeds: &[u64]) -> Self {
        let mut random = Self(0);
        for seed in seeds {
            random.0 = random.next() ^ seed;
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        let (high, low) = (u128::from(self.next()), u128::from(self.next()));
        Builder::from_random_bytes((high << 64 | low).to_be_bytes()).into_uuid()
    }
}

/// Writes the JSON of events into buffers of the caller.
pub(crate) struct Events {
    random: Random,
}

impl Events {
    pub(crate) fn new(seeds: &[u64]) -> Self {
        Self {
            random: Random::new(seeds),
        }
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Writes a start event of about 640 bytes and returns its id.
    pub(crate) fn start(&mut self, at: Timestamp, out: &mut Vec<u8>) -> Uuid {
        let id = self.random.uuid();
        let (component, shell) =
            COMPONENTS[usize::try_from(self.random.below(6)).expect("less than 6")];
        let user = self.random.below(USERS);
        let host = self.random.below(HOSTS);
        // Far above every process of this machine, so that nobody takes the sender for one of them.
        let pid = 4_194_304 - self.random.below(1_000_000);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        write!(
            out,
            r#"{{"event_version":"1.0","event_id":"{id}","event_type":"session_start","component_name":"{component}","#
        )
        .and_then(|()| write!(out, r#""shell_type":"{shell}","timestamp":"{at}","pid":{pid},"#))
        .and_then(|()| write!(out, r#""user":{{"username":"user{user:04}","home":"/home/user{user:04}"}},"#))
        .and_then(|()| write!(out, r#""hostname":"host-{host:03}.build.example.internal","#))
        .and_then(|()| {
            write!(
                out,
                r#""environment":{{"python_version":"3.13.0","platform":"Linux-6.12.48-1-amd64-x86_64-with-glibc2.41","cwd":"/home/user{user:04}/Projects/{component}"}},"#
            )
        })
        .and_then(|()| {
            write!(
                out,
                r#""metadata":{{"component_version":"1.0.0","cli_enabled":true,"adapters":["llamaindex","agno","prefect"],"project_root":"/home/user{user:04}/Projects/{component}"}}}}"#
            )
        })
        .expect("a vector takes every byte");
        id
    }

    /// Writes a start event as the published Python emitter sends it, nothing added.
    pub(crate) fn python_start(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        let id = self.random.uuid();
        let (component, shell) =
            COMPONENTS[usize::try_from(self.random.below(6)).expect("less than 6")];
        let user = self.random.below(USERS);
        let host = self.random.below(HOSTS);
        let pid = 4_194_304 - self.random.below(1_000_000);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        write!(
            out,
            r#"{{"event_version":"1.0","event_id":"{id}","event_type":"session_start","component_name":"{component}","shell_type":"{shell}","timestamp":"{at}","pid":{pid},"user":{{"username":"user{user:04}","home":"/home/user{user:04}"}},"hostname":"host-{host:03}","environment":{{"python_version":"3.13.0","platform":"Linux-6.12.48-1-amd64-x86_64-with-glibc2.41","cwd":"/home/user{user:04}/{component}"}},"metadata":{{"component_version":"1.0.0","adapters":[]}}}}"#
        )
        .expect("a vector takes every byte");
    }

    /// Writes an end event as the published Python emitter sends it.
    pub(crate) fn python_end(&mut self, session_id: &str, at: Timestamp, out: &mut Vec<u8>) {
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        write!(
            out,
            r#"{{"session_id":"{session_id}","timestamp":"{at}","event_type":"session_end","metadata":{{"duration_seconds":null}}}}"#
        )
        .expect("a vector takes every byte");
    }

    /// Writes the end event of `session_id`, as a shell that counts its commands sends it.
    pub(crate) fn end(&mut self, session_id: &str, at: Timestamp, out: &mut Vec<u8>) {
        let id = self.random.uuid();
        let commands = self.random.below(50);
        let seconds = 60 + self.random.below(3_540);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        write!(
            out,
            r#"{{"event_type":"session_end","event_id":"{id}","session_id":"{session_id}","timestamp":"{at}","exit_reason":"exit","exit_code":0,"duration_seconds":{seconds},"command_count":{commands},"error_count":0}}"#
        )
        .expect("a vector takes every byte");
    }
}

/// Replaces `out` by the JSON-RPC call of an MCP tool.
pub(crate) fn tool_call(out: &mut Vec<u8>, id: u64, tool: &str, arguments: &[u8]) {
    out.clear();
    write!(out, r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":"#)
        .expect("a vector takes every byte");
    out.extend_from_slice(arguments);
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use session_model::Field;

    use super::*;

    #[test]
    fn start_event_has_the_size_that_the_figures_name_and_passes_the_model() {
        let mut event = Vec::new();
        let id = Events::new(&[1, 2]).start(Timestamp::UNIX_EPOCH, &mut event);
        assert!((600..=700).contains(&event.len()), "{} bytes", event.len());
        let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["event_id"], id.to_string());
        assert_eq!(event["timestamp"], "1970-01-01T00:00:00.000000+00:00");
        session_model::SessionStartEvent::from_json(&event).unwrap();
    }

    #[test]
    fn end_event_passes_the_model() {
        let mut event = Vec::new();
        Events::new(&[1]).end(
            "oneiric-20260206-220458-abcdefgh",
            Timestamp::UNIX_EPOCH,
            &mut event,
        );
        let event = serde_json::from_slice(&event).unwrap();
        session_model::SessionEndEvent::from_json(&event).unwrap();
    }

    #[test]
    fn the_same_seeds_give_the_same_events_and_others_give_others() {
        let id = |seeds: &[u64]| Random::new(seeds).uuid();
        assert_eq!(id(&[7, 1]), id(&[7, 1]));
        assert_ne!(id(&[7, 1]), id(&[7, 2]));
        assert_ne!(id(&[7, 1]), id(&[1, 7]));
    }
}
