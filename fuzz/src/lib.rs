//! Mutated input at every door of Session-Buddy, held to the laws of each.
//!
//! - [`harness`]: the doors. Each takes bytes, checks what must hold of them, and says in a word what became of them.
//! - [`engine`]: what mutates a corpus, keeps what behaves in a new way, and makes what fails small.
//! - [`corpus`]: the kept inputs, in `fuzz/corpus/`, every finding among them.
//!
//! `libFuzzer` and its kind need instrumentation that the stable toolchain does not have, and what runs without it
//! (`bolero`, `proptest`) makes inputs up instead of changing good ones, so that it seldom comes past the first check.
//! `mutatis` changes bytes; splicing and the words of the corpus are ours; and in the place of coverage the word that a
//! harness says of an input tells whether it led somewhere new.

pub mod corpus;
pub mod engine;
pub mod harness;
