//! What a person types, before the script engine sees it.
//!
//! The language is Rhai. Years of documentation write Python, and people write what they have read; so a line is read
//! once here ([`tokens`]), which tells whether it is whole ([`Statement`]), and Python's simple spellings are put into
//! Rhai's ([`translate`]).

mod command;
mod signature;
mod statement;
mod tokens;
mod translation;

pub(crate) use command::Command;
pub(crate) use signature::{Parameter, Signature};
pub(crate) use statement::{Numbered, Statement, is_whole, statements};
pub(crate) use tokens::{Kind, Token, tokens};
pub(crate) use translation::{
    LAST_VALUE, NAMED, Translation, Vocabulary, is_keyword, is_usable_name, script_name, translate,
};
