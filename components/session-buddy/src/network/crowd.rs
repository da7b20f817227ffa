//! How many there are of something, in all and from each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Those who are here now.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// Nobody with none, so there are never more entries than places taken.
    by_address: HashMap<IpAddr, usize>,
}

/// Who is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// There is no room for anybody.
    All,
    /// The address has its share already.
    Address,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
}

impl Crowd {
    /// Counts those who are here.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Takes a place. An address is named where it is bounded for itself.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        all_max: usize,
        address_max: usize,
    ) -> Result<Place, Excess> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut *counts;
        if let Some(address) = address {
            let own = counts.by_address.get(&address).copied().unwrap_or_default();
            if own >= address_max {
                return Err(Excess::Address);
            }
        }
        if counts.all >= all_max {
            return Err(Excess::All);
        }
        counts.all += 1;
        if let Some(address) = address {
            *counts.by_address.entry(address).or_default() += 1;
        }
        Ok(Place {
            crowd: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(address) = self.address
            && let Some(own) = counts.by_address.get_mut(&address)
        {
            *own -= 1;
            if *own == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let crowd = Arc::new(Crowd::default());
        let address = Some("192.0.2.7".parse().unwrap());
        let enter = |address| crowd.enter(address, 3, 1);
        let first = enter(address).unwrap();
        assert_eq!(enter(address).unwrap_err(), Excess::Address);
        let others = [enter(None).unwrap(), enter(None).unwrap()];
        assert_eq!(enter(None).unwrap_err(), Excess::All);
        drop(first);
        assert!(crowd.0.lock().unwrap().by_address.is_empty());
        let again = enter(address).unwrap();
        assert_eq!(crowd.len(), 3);
        drop((others, again));
        assert_eq!(crowd.len(), 0);
    }
}
