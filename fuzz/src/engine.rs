//! Mutation of a corpus, without instrumentation.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use mutatis::Session;

use crate::harness::{Door, Harness};

/// The longest input: 16 KiB, as long as the longest metadata.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// How many changes one input may get.
const CHANGES_MAX: usize = 4;
/// The most inputs that are changed further, so that a long run stays small in memory.
const POOL_MAX: usize = 4_096;
/// How many tries it may take to make a failing input small.
const SHRINK_MAX: usize = 500;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// After so many inputs.
    Inputs(u64),
    /// After so long.
    Time(Duration),
}

/// What a run did.
#[derive(Debug)]
pub struct Run {
    /// Inputs that were tried, those of the corpus among them.
    pub executions: u64,
    /// In how many ways inputs behaved.
    pub behaviours: usize,
    /// The first input that broke a law, made small, and what it broke.
    pub finding: Option<Finding>,
}

/// An input that breaks a law.
#[derive(Debug)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// What the law said.
    pub message: String,
}

/// Tries the corpus of a door, then changes of it, until something breaks or the budget is used up.
pub fn run(door: &Door, corpus: &[Vec<u8>], seed: u64, budget: Budget) -> Run {
    let mut engine = Engine {
        door,
        harness: (door.open)(),
        session: Session::new().seed(seed),
        random: fastrand::Rng::with_seed(seed),
        pool: Vec::new(),
        seen: HashSet::new(),
        executions: 0,
    };
    let finding = engine.search(corpus, budget);
    Run {
        executions: engine.executions,
        behaviours: engine.seen.len(),
        finding: finding.map(|finding| engine.shrunk(finding)),
    }
}

struct Engine<'a> {
    door: &'a Door,
    harness: Box<dyn Harness>,
    session: Session,
    random: fastrand::Rng,
    /// Inputs each of which behaved in a way of its own.
    pool: Vec<Vec<u8>>,
    seen: HashSet<String>,
    executions: u64,
}

impl Engine<'_> {
    fn search(&mut self, corpus: &[Vec<u8>], budget: Budget) -> Option<Finding> {
        for input in corpus {
            if let Err(message) = self.try_input(input) {
                let input = input.clone();
                return Some(Finding { input, message });
            }
            self.pool.push(input.clone());
        }
        if self.pool.is_empty() {
            self.pool.push(Vec::new());
        }
        let begun = Instant::now();
        let is_over = |executions| match budget {
            Budget::Inputs(max) => executions >= max,
            Budget::Time(max) => begun.elapsed() >= max,
        };
        while !is_over(self.executions) {
            let input = self.changed();
            if let Err(message) = self.try_input(&input) {
                return Some(Finding { input, message });
            }
        }
        None
    }

    /// Tries an input, and keeps it for more changes if it behaves like none before.
    fn try_input(&mut self, input: &[u8]) -> Result<(), String> {
        self.executions += 1;
        let behaviour = self.outcome(input)?;
        if self.seen.insert(behaviour) && self.pool.len() < POOL_MAX {
            self.pool.push(input.to_vec());
        }
        Ok(())
    }

    fn outcome(&mut self, input: &[u8]) -> Result<String, String> {
        let tried = catch_unwind(AssertUnwindSafe(|| self.harness.take(input)));
        tried.map_err(|panic| {
            // What it was in the middle of is not used again.
            self.harness = (self.door.open)();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            text.unwrap_or_else(|| "a panic without a text".to_owned())
        })
    }

    fn changed(&mut self) -> Vec<u8> {
        let mut input = self.any().to_vec();
        for _ in 0..self.random.usize(1..=CHANGES_MAX) {
            match self.random.u8(0..8) {
                0..4 => drop(self.session.mutate(&mut input)),
                4 => self.splice(&mut input),
                5 => self.insert_word(&mut input),
                6 => self.repeat(&mut input),
                _ => self.cut(&mut input),
            }
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn any(&mut self) -> &[u8] {
        let chosen = self.random.usize(..self.pool.len());
        &self.pool[chosen]
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.random.usize(..=input.len())
    }

    /// A range of an input, mostly a short one.
    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let from = self.place(input);
        let longest = (input.len() - from).min(if self.random.bool() { 16 } else { usize::MAX });
        from..from + self.random.usize(..=longest)
    }

    /// Goes on with the rest of another input.
    fn splice(&mut self, input: &mut Vec<u8>) {
        let other = self.any().to_vec();
        let (keep, from) = (self.place(input), self.place(&other));
        input.truncate(keep);
        input.extend_from_slice(&other[from..]);
    }

    /// Puts in a word of another input, or one that has broken other programs.
    fn insert_word(&mut self, input: &mut Vec<u8>) {
        let other = self.any().to_vec();
        let words: Vec<&[u8]> = other
            .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
            .filter(|word| !word.is_empty())
            .collect();
        let word = match self.random.choice(words) {
            Some(word) if self.random.bool() => word,
            _ => WORDS[self.random.usize(..WORDS.len())],
        };
        let at = self.range(input);
        let replaced = if self.random.bool() { at.end } else { at.start };
        input.splice(at.start..replaced, word.iter().copied());
    }

    fn repeat(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input);
        let piece = input[range.clone()].repeat(self.random.usize(1..=8));
        input.splice(range.end..range.end, piece);
    }

    fn cut(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input);
        input.drain(range);
    }

    /// Makes a finding small: whatever can go while something still breaks, goes.
    fn shrunk(&mut self, mut finding: Finding) -> Finding {
        let mut tries = 0;
        let mut piece = finding.input.len().div_ceil(2);
        while piece > 0 {
            let mut from = 0;
            while from < finding.input.len() && tries < SHRINK_MAX {
                tries += 1;
                let mut input = finding.input.clone();
                input.drain(from..(from + piece).min(input.len()));
                match self.outcome(&input) {
                    Err(message) => finding = Finding { input, message },
                    Ok(_) => from += piece,
                }
            }
            piece /= 2;
        }
        finding
    }
}

/// What parsers stumble over: ends of ranges, half of a character, what acts on a terminal, in a table, in a format.
const WORDS: [&[u8]; 32] = [
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"-1",
    b"0",
    b"1e309",
    b"-0.0",
    b"4194305",
    b"9223372036854775808",
    b"18446744073709551615",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:60+23:59",
    b"2026-02-30",
    b"2026-02-06T24:00:00Z",
    b"99999999999999w",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8b",
    b"\x1b]52;c;AAAA\x07",
    b"\x1b[31m",
    b"\r\n",
    b"\0",
    b"=cmd()",
    b"%00",
    b"..",
    b"&",
    b",",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A door with a bug behind two checks.
    struct Buggy;

    impl Harness for Buggy {
        fn take(&mut self, input: &[u8]) -> String {
            let Some(rest) = input.strip_prefix(b"key: ") else {
                return "no key".to_owned();
            };
            assert!(!rest.starts_with(b"9"), "nine");
            format!("{:?}", rest.first().map(u8::is_ascii_digit))
        }
    }

    const DOOR: Door = Door {
        name: "buggy",
        open: || Box::new(Buggy),
    };

    #[test]
    fn a_bug_behind_checks_is_found_made_small_and_found_again_by_its_seed() {
        let corpus = [b"key: 1 and more".to_vec()];
        let search = || run(&DOOR, &corpus, 7, Budget::Inputs(50_000));
        let (first, second) = (search(), search());
        assert_eq!(first.executions, second.executions);
        let finding = first.finding.unwrap();
        assert_eq!(
            (&*finding.input, &*finding.message),
            (&b"key: 9"[..], "nine")
        );
    }

    #[test]
    fn what_is_sound_uses_its_budget_up() {
        let run = run(&DOOR, &[b"x".to_vec()], 7, Budget::Inputs(100));
        assert!(run.finding.is_none());
        assert_eq!((run.executions, run.behaviours), (100, 1));
    }
}
