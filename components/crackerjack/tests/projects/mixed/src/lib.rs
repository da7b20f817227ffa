//! Counts what is on a shelf.

/// Adds two counts.
pub fn add(one: u32, other: u32) -> u32 {
    one + other
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_add_up() {
        assert_eq!(super::add(1, 2), 3);
    }
}
