//! Sums by day, user, component and kind. A day has a row for each block of users, in which those who did anything are
//! packed: a row for each user and series would be nearly a row for each session, and a commit would touch as many pages.

use std::{collections::BTreeMap, ops::Range};

use super::{DAY_MICROS, Errors, add_errors};
use crate::analytics::{
    Aggregate, QUARTERS_PER_DAY,
    packed::{put, put_signed, take, take_bytes, take_signed},
};

/// Users of a block. Of 32 that are all busy in 6 components a row has one page and a half; all about one user is then
/// read from one row for each day.
const BLOCK: i64 = 32;

/// The key of a row of users' sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockKey {
    pub(super) day: i64,
    pub(super) block: i64,
    pub(super) chain: i64,
}

/// Who in a block, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) user: i64,
    pub(super) series: i64,
}

/// The users of a block.
pub(super) type Block = BTreeMap<Member, UserSums>;

/// The sums of a user's sessions of a day and a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UserSums {
    pub(super) sums: Aggregate,
    pub(super) errors: Errors,
}

impl BlockKey {
    pub(super) const fn of(day: i64, user: i64, chain: i64) -> Self {
        Self {
            day,
            block: block_of(user),
            chain,
        }
    }

    const fn origin(self) -> i64 {
        self.day.saturating_mul(DAY_MICROS)
    }

    /// Gives the users that it may have.
    pub(super) const fn users(self) -> Range<i64> {
        let first = self.block.saturating_mul(BLOCK);
        first..first.saturating_add(BLOCK)
    }
}

pub(super) const fn block_of(user: i64) -> i64 {
    user.div_euclid(BLOCK)
}

impl UserSums {
    pub(super) fn add(&mut self, sums: &Aggregate, errors: &Errors) {
        self.sums.add_all(sums);
        let errors = errors.iter().map(|(error, count)| (*error, *count));
        add_errors(&mut self.errors, errors);
    }

    fn pack(&self, origin: i64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        self.sums.pack(origin, &mut bytes);
        pack_errors(&self.errors, &mut bytes);
        bytes
    }

    fn unpack(origin: i64, mut bytes: &[u8]) -> Option<Self> {
        let sums = Aggregate::unpack(origin, &mut bytes)?;
        let errors = unpack_errors(&mut bytes)?;
        let of_day = |(quarter, _)| i64::from(quarter) < QUARTERS_PER_DAY;
        let sound = bytes.is_empty() && sums.quarters.iter().all(of_day);
        sound.then_some(Self { sums, errors })
    }
}

pub(super) fn pack_errors(errors: &Errors, bytes: &mut Vec<u8>) {
    put(bytes, errors.len() as u64);
    for (error, count) in errors {
        put_signed(bytes, *error);
        put_signed(bytes, *count);
    }
}

pub(super) fn unpack_errors(bytes: &mut &[u8]) -> Option<Errors> {
    let count = take(bytes)?;
    (0..count)
        .map(|_| Some((take_signed(bytes)?, take_signed(bytes)?)))
        .collect()
}

/// Visits a packed block's members, each with its sums still packed; `None` where it is no such.
fn visit<'a>(
    key: BlockKey,
    mut bytes: &'a [u8],
    mut each: impl FnMut(Member, &'a [u8]) -> Option<()>,
) -> Option<()> {
    while !bytes.is_empty() {
        let place = i64::try_from(take(&mut bytes)?)
            .ok()
            .filter(|place| *place < BLOCK)?;
        let member = Member {
            user: key.users().start.saturating_add(place),
            series: take_signed(&mut bytes)?,
        };
        let length = take(&mut bytes)?;
        each(member, take_bytes(&mut bytes, length)?)?;
    }
    Some(())
}

/// Reads those members of a packed block that are wanted; `None` where it is no such.
pub(super) fn members(
    key: BlockKey,
    bytes: &[u8],
    wanted: impl Fn(Member) -> bool,
    mut each: impl FnMut(Member, UserSums),
) -> Option<()> {
    visit(key, bytes, |member, sums| {
        if wanted(member) {
            each(member, UserSums::unpack(key.origin(), sums)?);
        }
        Some(())
    })
}

/// Adds to a packed block. Who is not changed is taken over as it is. `None` where it is no such.
pub(super) fn add(key: BlockKey, stored: &[u8], mut changes: Block) -> Option<Vec<u8>> {
    let mut sum = Vec::with_capacity(stored.len() + 40 * changes.len());
    let mut put_member = |member: Member, sums: &[u8]| {
        put(&mut sum, (member.user - key.users().start).unsigned_abs());
        put_signed(&mut sum, member.series);
        put(&mut sum, sums.len() as u64);
        sum.extend(sums);
    };
    visit(key, stored, |member, sums| {
        while let Some(change) = changes
            .first_entry()
            .filter(|change| *change.key() < member)
        {
            let (member, change) = change.remove_entry();
            put_member(member, &change.pack(key.origin()));
        }
        match changes.remove(&member) {
            Some(change) => {
                let mut all = UserSums::unpack(key.origin(), sums)?;
                all.add(&change.sums, &change.errors);
                put_member(member, &all.pack(key.origin()));
            }
            None => put_member(member, sums),
        }
        Some(())
    })?;
    for (member, change) in changes {
        put_member(member, &change.pack(key.origin()));
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: BlockKey = BlockKey {
        day: 20_000,
        block: 3,
        chain: 1,
    };

    fn block() -> impl Strategy<Value = Block> {
        let member = (96i64..128, 0i64..300).prop_map(|(user, series)| Member { user, series });
        let error = (1i64..1_000, 1i64..3);
        let sums = (1i64..200, 0i64..1 << 40, 0u16..96, prop::option::of(error));
        let sums = sums.prop_map(|(sessions, seconds, quarter, error)| {
            let mut quarters = crate::analytics::Tally::default();
            quarters.add(quarter, sessions);
            UserSums {
                sums: Aggregate {
                    sessions,
                    seconds,
                    last_start: Some(KEY.origin() + seconds),
                    quarters,
                    ..Aggregate::default()
                },
                errors: error.into_iter().collect(),
            }
        });
        prop::collection::btree_map(member, sums, 0..40)
    }

    fn read(bytes: &[u8]) -> Option<Block> {
        let mut block = Block::new();
        members(
            KEY,
            bytes,
            |_| true,
            |member, sums| drop(block.insert(member, sums)),
        )?;
        Some(block)
    }

    proptest! {
        #[test]
        fn what_is_added_is_the_sum(first in block(), second in block()) {
            let packed = add(KEY, &[], first.clone()).unwrap();
            prop_assert_eq!(read(&packed), Some(first.clone()));
            let packed = add(KEY, &packed, second.clone()).unwrap();
            let mut sum = first;
            for (member, change) in second {
                sum.entry(member).or_default().add(&change.sums, &change.errors);
            }
            // The same bytes too, in whatever order it came to be: the tables made anew are the tables.
            prop_assert_eq!(&packed, &add(KEY, &[], sum.clone()).unwrap());
            prop_assert_eq!(read(&packed), Some(sum));
        }

        #[test]
        fn what_is_cut_short_is_refused(block in block(), cut: prop::sample::Index) {
            let packed = add(KEY, &[], block.clone()).unwrap();
            prop_assume!(!packed.is_empty());
            let found = read(&packed[..cut.index(packed.len())]);
            prop_assert!(found.is_none_or(|found| found.len() < block.len()));
        }
    }
}
