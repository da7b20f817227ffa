//! Shells in a home of their own, and servers that do as they are told.

mod child;
mod foreign;
mod home;
mod record;
mod server;

pub(crate) use child::{STRANGER, as_stranger, beside, go_on, is_root, role, this_program};
pub(crate) use foreign::{Foreign, Manner, ProtocolRevision, Tools, USUAL};
pub(crate) use home::*;
pub(crate) use record::{Record, events, id_of_start, refusal, result, results};
pub(crate) use server::{DEADLINE, Reply, Request, Server};
