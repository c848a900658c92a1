//! Which share bears a name.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use super::id::ShareId;
use super::name::{NameRef, ObjectName};
use super::state::Share;
use super::table::Table;

/// How far behind where it belongs a name may be.
const WINDOW: usize = 16;
/// Fewer places are never made.
const PLACES_MIN: usize = 64;
const NOBODY: ShareId = ShareId(0);

/// Finds shares by name. Looking one up takes as long among a hundred thousand as among ten.
///
/// The names are in the shares; here are their hashes. Anybody can work those out, and choose names
/// that crowd in one place. What has no room there is kept in order, where a look-up takes a few
/// steps more, so nothing has to be kept secret.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The hash of the name at each place; 0 is none.
    hashes: Vec<u32>,
    /// The share that bears it.
    shares: Vec<ShareId>,
    /// Names at places.
    placed: usize,
    crowded: BTreeMap<ObjectName, ShareId>,
    /// Bits of a hash that do not say where it belongs.
    shift: u32,
}

impl Names {
    pub(crate) const fn new() -> Self {
        Self {
            hashes: Vec::new(),
            shares: Vec::new(),
            placed: 0,
            crowded: BTreeMap::new(),
            shift: u32::BITS,
        }
    }

    /// Notes who bears a name that nobody bears; the share has it already.
    pub(crate) fn insert(
        &mut self,
        shares: &Table<ShareId, Share>,
        name: NameRef<'_>,
        share: ShareId,
    ) {
        if 4 * self.placed >= 3 * self.places() {
            self.arrange(shares, 2 * self.places());
        }
        while !self.place(name.hash(), share) {
            // It is no accident that there is none here when there is room all around.
            if 4 * self.placed < self.places() {
                self.crowded.insert(name.to_name(), share);
                return;
            }
            self.arrange(shares, 2 * self.places());
        }
    }

    pub(crate) fn remove(
        &mut self,
        shares: &Table<ShareId, Share>,
        name: &ObjectName,
        of: ShareId,
    ) {
        let hash = name.as_ref().hash();
        let at = self.window(hash).find(|at| self.shares.get(*at) == Some(&of));
        let Some(at) = at else {
            self.crowded.remove(name);
            return;
        };
        if let Some(place) = self.hashes.get_mut(at) {
            *place = 0;
            self.placed -= 1;
        }
        if self.places() > PLACES_MIN && 8 * self.placed < self.places() {
            self.arrange(shares, self.places() / 2);
        }
    }

    /// The share that bears a name, and its record.
    pub(crate) fn find<'a>(
        &self,
        shares: &'a Table<ShareId, Share>,
        name: NameRef<'_>,
    ) -> Option<(ShareId, &'a Share)> {
        let placed = self.window(name.hash()).find_map(|at| {
            let id = *self.shares.get(at)?;
            let share = shares.get(&id)?;
            (share.name.as_ref()?.as_ref() == name).then_some((id, share))
        });
        if placed.is_some() || self.crowded.is_empty() {
            return placed;
        }
        let id = *self.crowded.get(&name.to_name())?;
        Some((id, shares.get(&id)?))
    }

    /// The shares that bear names, in no order.
    pub(crate) fn bearers(&self) -> impl Iterator<Item = ShareId> {
        let places = self.hashes.iter().zip(&self.shares);
        let placed = places.filter(|(hash, _)| **hash != 0).map(|(_, share)| share);
        placed.chain(self.crowded.values()).copied()
    }

    /// The places where a name may be that have its hash.
    fn window(&self, hash: u32) -> impl Iterator<Item = usize> {
        let home = self.home(hash);
        let near = self.hashes.get(home..).unwrap_or_default().iter().take(WINDOW).zip(home..);
        near.filter(move |(found, _)| **found == hash).map(|(_, at)| at)
    }

    fn home(&self, hash: u32) -> usize {
        usize::try_from(hash.checked_shr(self.shift).unwrap_or_default()).unwrap_or(usize::MAX)
    }

    /// How many places names can belong to.
    const fn places(&self) -> usize {
        self.hashes.len().saturating_sub(WINDOW)
    }

    /// Whether there was room near where the hash belongs.
    fn place(&mut self, hash: u32, share: ShareId) -> bool {
        let home = self.home(hash);
        let near = self.hashes.get_mut(home..).unwrap_or_default().iter_mut().take(WINDOW);
        let Some((place, at)) = near.zip(home..).find(|(found, _)| **found == 0) else {
            return false;
        };
        *place = hash;
        if let Some(bearer) = self.shares.get_mut(at) {
            *bearer = share;
        }
        self.placed += 1;
        true
    }

    /// Gives every name a new place among so many.
    fn arrange(&mut self, shares: &Table<ShareId, Share>, places: usize) {
        let places = places.clamp(PLACES_MIN, 1 << (u32::BITS - 1));
        let hashes = mem::replace(&mut self.hashes, alloc::vec![0; places + WINDOW]);
        let bearers = mem::replace(&mut self.shares, alloc::vec![NOBODY; places + WINDOW]);
        let crowded = mem::take(&mut self.crowded);
        self.shift = u32::BITS - places.trailing_zeros();
        self.placed = 0;
        for (hash, share) in hashes.into_iter().zip(bearers).filter(|(hash, _)| *hash != 0) {
            let name = |share: &Share| share.name.clone();
            if !self.place(hash, share)
                && let Some(name) = shares.get(&share).and_then(name)
            {
                self.crowded.insert(name, share);
            }
        }
        for (name, share) in crowded {
            if !self.place(name.as_ref().hash(), share) {
                self.crowded.insert(name, share);
            }
        }
    }
}

/// Equal are those in which the same shares bear names: what they are called is in the shares.
impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |names: &Self| {
            let mut bearers: Vec<_> = names.bearers().collect();
            bearers.sort_unstable();
            bearers
        };
        sorted(self) == sorted(other)
    }
}

impl Eq for Names {}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;
    use crate::object::name::Directory;
    use crate::object::name::tests::of_one_hash;
    use crate::object::state::Maker;
    use crate::security::Token;

    /// Shares that bear these names, numbered from 1.
    fn shares_of(all: &[ObjectName]) -> Table<ShareId, Share> {
        let maker = Maker { token: Token { uid: 1000, gid: 1000 }, pid: 1, made_ns: 0 };
        let mut shares = Table::new();
        for (name, id) in all.iter().zip(1..) {
            let name = Some(name.clone());
            shares.insert(ShareId(id), Share { object: 1, maker, name, handles: SmallVec::new() });
        }
        shares
    }

    fn insert(names: &mut Names, shares: &Table<ShareId, Share>) {
        for (id, share) in shares {
            names.insert(shares, share.name.as_ref().unwrap().as_ref(), *id);
        }
    }

    fn check(names: &Names, shares: &Table<ShareId, Share>, all: &[ObjectName]) {
        for (name, id) in all.iter().zip(1..) {
            let expected = shares.get(&ShareId(id)).map(|share| (ShareId(id), share));
            assert_eq!(names.find(shares, name.as_ref()), expected, "{name}");
        }
        let mut bearers: Vec<_> = names.bearers().collect();
        bearers.sort_unstable();
        assert!(bearers.iter().eq(shares.keys()), "{bearers:?}");
    }

    fn ordinary(number: usize) -> ObjectName {
        let leaf: Vec<u16> = alloc::format!("object-{number}").encode_utf16().collect();
        ObjectName::from_parts(Directory::Global, &leaf).unwrap()
    }

    /// Notes all and takes them away again, every second one first.
    fn live(all: &[ObjectName]) -> Names {
        let mut names = Names::new();
        let mut shares = shares_of(all);
        insert(&mut names, &shares);
        check(&names, &shares, all);
        let full = names.clone();
        for odd in [1, 0] {
            for (name, id) in all.iter().zip(1..).filter(|(_, id)| id % 2 == odd) {
                shares.remove(&ShareId(id));
                names.remove(&shares, name, ShareId(id));
            }
            check(&names, &shares, all);
        }
        assert_eq!(names, Names::new());
        assert!(names.places() <= PLACES_MIN && names.crowded.is_empty(), "{names:?}");
        full
    }

    #[test]
    fn ordinary_names_do_not_crowd() {
        let all: Vec<_> = (0..20_000).map(ordinary).collect();
        let full = live(&all);
        assert!(full.crowded.is_empty(), "{} crowd", full.crowded.len());
        assert!(full.places() <= 4 * all.len(), "{} places", full.places());
    }

    #[test]
    fn names_of_one_hash_are_found_and_make_no_places() {
        let all: Vec<_> = (1000..3000).map(of_one_hash).collect();
        let full = live(&all);
        assert_eq!((full.placed, full.crowded.len()), (WINDOW, all.len() - WINDOW));
        assert!(full.places() <= 256, "{} places", full.places());
    }

    #[test]
    fn names_that_crowded_get_places_when_there_are_more() {
        let near = |name: &ObjectName| name.as_ref().hash() >> 24 == 3;
        let crowd: Vec<_> = (10_000..).map(ordinary).filter(near).take(60).collect();
        assert!(!live(&crowd).crowded.is_empty());
        let all: Vec<_> = crowd.into_iter().chain((0..6000).map(ordinary)).collect();
        assert!(live(&all).crowded.is_empty());
    }

    #[test]
    fn the_same_leaf_in_another_directory_is_another_name() {
        let of = |directory| ObjectName::from_parts(directory, &[7]).unwrap();
        let local = |uid| of(Directory::Local { uid });
        live(&[of(Directory::Global), local(0), local(1), local(u32::MAX)]);
    }
}
