//! Records by number. Finding one takes as long among a hundred thousand as among ten.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::iter::FilterMap;
use core::slice;

use super::id::{ClientId, HandleId, ShareId};

/// Numbers that are counted up and never used again.
pub(crate) trait Number: Copy {
    /// It, as it is counted.
    fn number(self) -> u64;
}

impl Number for u64 {
    fn number(self) -> u64 {
        self
    }
}

impl Number for ShareId {
    fn number(self) -> u64 {
        self.0
    }
}

impl Number for ClientId {
    fn number(self) -> u64 {
        self.0
    }
}

impl Number for HandleId {
    fn number(self) -> u64 {
        self.0
    }
}

/// How far from where it belongs a number is looked for in [`Table::places`].
const WINDOW: usize = 8;
/// Fewer places are never made.
const PLACES_MIN: usize = 16;
/// 2^64 divided by the golden ratio: what follows each other is spread evenly.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A record, or where one was.
#[derive(Clone)]
pub(crate) struct Entry<K, V> {
    key: K,
    record: Option<Box<V>>,
}

/// Records, in the order of their numbers.
///
/// As numbers are counted up, a new record is always the last one, and lies as far behind an
/// earlier one as its number does. That ends for all there are when those that are gone are cleared
/// away: from then on it is noted where each is. The notes only save a search: who arranges that
/// numbers crowd there makes them be searched for by halves.
#[derive(Clone)]
pub(crate) struct Table<K, V> {
    /// By rising number. Those that are gone stay until they are as many as the others.
    entries: Vec<Entry<K, V>>,
    gone: usize,
    /// So many entries are noted; the numbers of the others follow each other.
    noted: usize,
    /// One more than the place among the entries, near where the number belongs; 0 is none. Nothing
    /// is taken out between two calls of [`Self::arrange`], so behind a 0 nothing is found.
    places: Vec<u32>,
    /// Bits of a spread number that do not say where it belongs.
    shift: u32,
}

impl<K: Number, V> Table<K, V> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), gone: 0, noted: 0, places: Vec::new(), shift: u64::BITS }
    }

    /// Adds a record.
    ///
    /// # Panics
    ///
    /// When its number is not above all that were there: then it was given out twice.
    pub(crate) fn insert(&mut self, key: K, record: V) {
        let number = key.number();
        let last = self.entries.last().map(|last| last.key.number());
        assert!(last.is_none_or(|last| last < number), "number {number} is not new");
        if last.is_some_and(|last| number - last > 1) {
            self.note();
        }
        self.entries.push(Entry { key, record: Some(Box::new(record)) });
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key.number())?;
        let record = self.entries.get_mut(at)?.record.take()?;
        self.gone += 1;
        if self.gone > self.len().max(PLACES_MIN) {
            self.arrange();
        }
        Some(*record)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key.number())?;
        self.entries.get_mut(at)?.record.as_deref_mut()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let at = self.find(key.number())?;
        self.entries.get(at)?.record.as_deref()
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len() - self.gone
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All, by rising number.
    pub(crate) fn iter(&self) -> Live<'_, K, V> {
        live(&self.entries)
    }

    /// Those whose number is this one or a higher one.
    pub(crate) fn iter_from(&self, first: u64) -> Live<'_, K, V> {
        let start = self.entries.partition_point(|entry| entry.key.number() < first);
        live(self.entries.get(start..).unwrap_or_default())
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, record)| record)
    }

    /// Where among the entries a number is.
    fn find(&self, number: u64) -> Option<usize> {
        if let Some(first) = self.entries.get(self.noted)
            && let Some(behind) = number.checked_sub(first.key.number())
        {
            let at = self.noted.checked_add(usize::try_from(behind).ok()?)?;
            return (at < self.entries.len()).then_some(at);
        }
        for place in self.places.get(home(number, self.shift)..)?.iter().take(WINDOW) {
            let at = usize::try_from(*place).ok()?.checked_sub(1)?;
            if self.entries.get(at).is_some_and(|entry| entry.key.number() == number) {
                return Some(at);
            }
        }
        self.entries.binary_search_by_key(&number, |entry| entry.key.number()).ok()
    }

    /// Notes where the entries are that are not noted.
    fn note(&mut self) {
        if 2 * self.entries.len() > self.places.len() {
            return self.arrange();
        }
        for (entry, counted) in self.entries.iter().zip(1..).skip(self.noted) {
            let home = home(entry.key.number(), self.shift);
            let near = self.places.get_mut(home..).unwrap_or_default().iter_mut().take(WINDOW);
            if let Some(free) = near.into_iter().find(|place| **place == 0) {
                *free = counted;
            }
        }
        self.noted = self.entries.len();
    }

    /// Forgets who is gone and notes where the others are, with places for more.
    fn arrange(&mut self) {
        self.entries.retain(|entry| entry.record.is_some());
        self.gone = 0;
        if self.entries.capacity() > 4 * self.entries.len() {
            self.entries.shrink_to(2 * self.entries.len());
        }
        let places = (2 * self.entries.len() + 1).max(PLACES_MIN).next_power_of_two();
        self.shift = u64::BITS - places.trailing_zeros();
        self.places = alloc::vec![0; places + WINDOW];
        self.noted = 0;
        self.note();
    }
}

/// Where a number belongs among the places.
fn home(number: u64, shift: u32) -> usize {
    let spread = number.wrapping_mul(SPREAD);
    usize::try_from(spread.checked_shr(shift).unwrap_or_default()).unwrap_or(usize::MAX)
}

/// The records among entries.
pub(crate) type Live<'a, K, V> =
    FilterMap<slice::Iter<'a, Entry<K, V>>, fn(&'a Entry<K, V>) -> Option<(&'a K, &'a V)>>;

fn live<K, V>(entries: &[Entry<K, V>]) -> Live<'_, K, V> {
    entries.iter().filter_map(|entry| Some((&entry.key, entry.record.as_deref()?)))
}

impl<'a, K: Number, V> IntoIterator for &'a Table<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Live<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Equal are those that hold the same records, wherever.
impl<K: Number + PartialEq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Number + Eq, V: Eq> Eq for Table<K, V> {}

impl<K: Number + fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    /// What follows from a seed.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(self.0 >> 33).unwrap() % limit
        }
    }

    fn check(table: &Table<u64, u64>, expected: &BTreeMap<u64, u64>, asked: u64) {
        assert_eq!(table.get(&asked), expected.get(&asked), "{asked}");
        assert_eq!((table.len(), table.is_empty()), (expected.len(), expected.is_empty()));
        assert!(table.iter().eq(expected.iter()));
        assert!(table.iter_from(asked).eq(expected.range(asked..)), "from {asked}");
        assert_eq!(table.keys().next_back(), expected.keys().next_back());
    }

    /// A table in which so many of a hundred stay, with numbers left out now and then.
    fn lived(stay: usize, gap: usize) -> (Table<u64, u64>, BTreeMap<u64, u64>) {
        let (mut table, mut expected) = (Table::new(), BTreeMap::new());
        let (mut dice, mut next) = (Dice(u64::try_from(stay + gap).unwrap()), 0);
        for _ in 0..1500 {
            next +=
                if dice.below(100) < gap { 2 + u64::try_from(dice.below(9)).unwrap() } else { 1 };
            table.insert(next, next * 7);
            expected.insert(next, next * 7);
            if dice.below(100) >= stay {
                let all: Vec<u64> = expected.keys().copied().collect();
                let gone = all[dice.below(all.len())];
                assert_eq!(table.remove(&gone), expected.remove(&gone));
                assert_eq!(table.remove(&gone), None);
            }
            check(&table, &expected, u64::try_from(dice.below(2000)).unwrap());
        }
        for (key, record) in &expected {
            assert_eq!(table.get(key), Some(record));
            assert_eq!(table.get_mut(key).copied(), Some(*record));
        }
        (table, expected)
    }

    #[test]
    fn it_holds_what_an_ordered_map_holds() {
        for stay in [0, 3, 50, 100] {
            for gap in [0, 5, 100] {
                lived(stay, gap);
            }
        }
    }

    #[test]
    fn equal_are_those_that_hold_the_same_whatever_was_there_before() {
        let (table, expected) = lived(50, 5);
        let mut fresh = Table::new();
        expected.iter().for_each(|(key, record)| fresh.insert(*key, *record));
        assert_eq!(fresh, table);
        fresh.remove(expected.keys().next().unwrap());
        assert_ne!(fresh, table);
    }

    #[test]
    fn numbers_that_crowd_are_found() {
        let mut table = Table::new();
        // They belong to the same place in every table with up to 256 places.
        let crowd: Vec<u64> =
            (1..200_000_u64).filter(|number| number.wrapping_mul(SPREAD) >> 56 == 3).collect();
        crowd[..100].iter().for_each(|number| table.insert(*number, *number));
        assert!(table.places.iter().filter(|place| **place != 0).count() < 50);
        assert!(crowd[..100].iter().all(|number| table.get(number) == Some(number)));
        assert!(crowd[100..].iter().all(|number| table.get(number).is_none()));
    }

    #[test]
    fn what_is_gone_takes_no_memory_for_long() {
        let mut table = Table::new();
        for number in 1..10_000_u64 {
            table.insert(number, ());
            if number > 4 {
                table.remove(&(number - 4));
            }
        }
        (10_000..20_000_u64).for_each(|number| table.insert(number, ()));
        for number in 9000..20_000_u64 {
            table.remove(&number);
        }
        assert!(table.is_empty());
        assert!(table.entries.capacity() < 100, "{}", table.entries.capacity());
        assert!(table.places.len() < 100, "{}", table.places.len());
    }

    #[test]
    #[should_panic(expected = "number 3 is not new")]
    fn a_number_that_was_given_out_is_refused() {
        let mut table = Table::new();
        table.insert(4_u64, ());
        table.insert(3, ());
    }
}
