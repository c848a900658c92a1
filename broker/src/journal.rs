//! The journal: what the model was told, written down before it is acted on, in memory that
//! outlives the broker.
//!
//! One process writes it, and nobody reads it before that process has ended. Whatever instruction
//! it is killed at, its stores up to there are in the memory, in the order of the program, and none
//! behind: [`Cells::store`] keeps the compiler from another order, and what a CPU holds back it
//! delivers before anybody learns of the death. So it is enough that the memory is a whole journal
//! after each single store:
//!
//! - A header names the area that counts. Each of the two areas has its own words in the header:
//!   how long its snapshot is, where its last record ends, and how far its records have been acted
//!   on. Nothing else is ever looked at, and adopting stores nothing.
//! - `append` writes behind the end, where nothing counts, and then moves the end in one store.
//!   Killed before, it leaves bytes that the next record overwrites, by this process or by its
//!   successor: a length and bytes of two torn records may lie there mixed, and nobody reads them.
//! - `begin_again` writes the area that does not count, bytes and words, and then names it in one
//!   store. Killed before, it leaves the former journal as it was, progress included; begun again,
//!   it writes the same places anew and trusts nothing that it finds there. After it the former
//!   area does not count. As progress is the area's own, the new one begins with none.
//! - Progress is one word for what was performed, with its record's place in the upper half, and
//!   one for what was answered. Each is stored at once, and only for a record that is committed.
//! - `create` writes the first word last: before it, the memory is no journal.

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use handfast_sys::mapping::{self, SplitWords, WritableMapping};
use handfast_sys::memfd::{self, NotSealed};

/// `handfast` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"handfast");
const VERSION: u64 = 1;

/// A page of any machine.
const HEADER_BYTES: usize = 64 << 10;
/// Of one area. Memory is taken where something was written, and no sooner.
const AREA_BYTES: usize = 64 << 20;
const MEMORY_BYTES: u64 = (HEADER_BYTES + 2 * AREA_BYTES) as u64;

/// In front of each record; records begin at multiples of it.
const LENGTH_BYTES: usize = size_of::<u32>();
/// Beginning again never pays for less.
const LONG_BYTES_MIN: usize = 1 << 20;

/// Inputs in order, behind a snapshot of what was before them.
#[derive(Debug)]
pub(crate) struct Journal {
    memory: OwnedFd,
    cells: Cells,
    /// The one that counts, and what its words say of it.
    area: Area,
    snapshot_bytes: usize,
    end: usize,
}

/// Where a record lies in the present area: its first byte, behind its length.
///
/// It means nothing after the next [`Journal::begin_again`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(NonZeroU32);

/// How far the records of the present area have been acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last record of which effects have been performed, and how many; `u32::MAX`: all.
    pub(crate) performed: Option<(Place, u32)>,
    /// The last record that has been answered.
    pub(crate) answered: Option<Place>,
}

/// Why there is no journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The kernel refused memory.
    #[error("the memory of the broker's journal is refused: {0}")]
    Kernel(#[from] handfast_sys::Error),
    /// It is another version's.
    #[error(
        "the former broker kept a journal of version {found}, and this one reads version {VERSION}"
    )]
    Version {
        /// Which.
        found: u64,
    },
    /// It is none, or no broker left it like that.
    #[error("what the former broker left is damaged, or no journal")]
    Damaged,
}

/// There is no room for it in an area; nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker's journal is full")]
pub(crate) struct Full;

impl Journal {
    /// Makes one without records, of an empty snapshot.
    ///
    /// # Errors
    ///
    /// [`JournalError::Kernel`]: the descriptor limit or memory.
    pub(crate) fn create() -> Result<Self, JournalError> {
        let memory = memfd::create("handfast journal", MEMORY_BYTES)?;
        let cells = Cells::new(map_header(memory.as_fd())?, map_all(memory.as_fd())?);
        cells.format();
        Ok(Self { memory, cells, area: Area::First, snapshot_bytes: 0, end: 0 })
    }

    /// Goes on with a predecessor's, which is checked whole first. It stores nothing.
    ///
    /// # Errors
    ///
    /// [`JournalError::Version`]: nothing but its version was looked at.
    /// [`JournalError::Damaged`] and [`JournalError::Kernel`].
    pub(crate) fn adopt(memory: OwnedFd) -> Result<Self, JournalError> {
        let size_bytes = size_bytes(memory.as_fd())?;
        if size_bytes < HEADER_BYTES as u64 {
            return Err(JournalError::Damaged);
        }
        let header = map_header(memory.as_fd())?;
        if load(&header, MAGIC_AT) != MAGIC {
            return Err(JournalError::Damaged);
        }
        match load(&header, VERSION_AT) {
            VERSION => {}
            found => return Err(JournalError::Version { found }),
        }
        if size_bytes != MEMORY_BYTES {
            return Err(JournalError::Damaged);
        }
        let area = Area::named(load(&header, AREA_AT)).ok_or(JournalError::Damaged)?;
        let [snapshot_bytes, end] = [SNAPSHOT_AT, END_AT].map(|at| load(&header, area.word(at)));
        let cells = Cells::new(header, map_all(memory.as_fd())?);
        let journal = Self {
            memory,
            cells,
            area,
            snapshot_bytes: in_area(snapshot_bytes)?,
            end: in_area(end)?,
        };
        journal.check()?;
        Ok(journal)
    }

    /// Commits a record: it is there whole when this has returned, and not at all before.
    ///
    /// # Errors
    ///
    /// [`Full`]: beginning again makes room.
    #[inline]
    pub(crate) fn append(&mut self, record: &[u8]) -> Result<Place, Full> {
        let length = u32::try_from(record.len()).map_err(|_| Full)?;
        let start = self.end + LENGTH_BYTES;
        let end = end_of(start, record.len()).ok_or(Full)?;
        let place = Place::new(start).ok_or(Full)?;
        self.cells.store(Store::Length(self.area.byte(self.end), length));
        self.cells.store(Store::Bytes(self.area.byte(start), record));
        self.cells.store(Store::Word(self.area.word(END_AT), end as u64));
        self.end = end;
        Ok(place)
    }

    /// Begins again with this snapshot and no record: from one store to the next it is the
    /// former journal or the new one.
    ///
    /// # Errors
    ///
    /// [`Full`]: the snapshot is larger than any can be, and the journal is what it was.
    pub(crate) fn begin_again(&mut self, snapshot: &[u8]) -> Result<(), Full> {
        let area = self.area.other();
        let end = end_of(0, snapshot.len()).ok_or(Full)?;
        self.cells.store(Store::Bytes(area.byte(0), snapshot));
        self.cells.store(Store::Word(area.word(SNAPSHOT_AT), snapshot.len() as u64));
        self.cells.store(Store::Word(area.word(END_AT), end as u64));
        self.cells.store(Store::Word(area.word(PERFORMED_AT), 0));
        self.cells.store(Store::Word(area.word(ANSWERED_AT), 0));
        self.cells.store(Store::Word(AREA_AT, area.name()));
        (self.area, self.snapshot_bytes, self.end) = (area, snapshot.len(), end);
        Ok(())
    }

    /// For who keeps it, and for the successor.
    pub(crate) fn into_memory(self) -> OwnedFd {
        self.memory
    }

    /// Whether beginning again pays.
    pub(crate) fn is_long(&self) -> bool {
        let records_bytes = self.end.saturating_sub(self.records_start());
        records_bytes > LONG_BYTES_MIN.max(2 * self.snapshot_bytes)
    }

    /// What was before the first record.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.copy(0, self.snapshot_bytes).unwrap_or_default()
    }

    /// The records, the oldest first.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Place, Vec<u8>)> {
        let mut at = self.records_start();
        core::iter::from_fn(move || {
            let found = self.find(at)?;
            at = found.end;
            Some((found.place, self.copy(found.start, found.length)?))
        })
    }

    /// So many effects of the record at this place have been performed (`u32::MAX`: all).
    pub(crate) fn set_performed(&self, of: Place, effects: u32) {
        self.assert_has(of);
        let word = u64::from(of.0.get()) << 32 | u64::from(effects);
        self.cells.store(Store::Word(self.area.word(PERFORMED_AT), word));
    }

    /// The record at this place has been answered.
    pub(crate) fn set_answered(&self, of: Place) {
        self.assert_has(of);
        self.cells.store(Store::Word(self.area.word(ANSWERED_AT), u64::from(of.0.get())));
    }

    /// How far the records have been acted on.
    pub(crate) fn progress(&self) -> Progress {
        let [high, low] = halves(load(&self.cells.header, self.area.word(PERFORMED_AT)));
        let [_, answered] = halves(load(&self.cells.header, self.area.word(ANSWERED_AT)));
        Progress {
            performed: NonZeroU32::new(high).map(|place| (Place(place), low)),
            answered: NonZeroU32::new(answered).map(Place),
        }
    }

    /// Whether all that the header says is so: records that fill the place between the snapshot
    /// and the end, and progress that is of some of them.
    fn check(&self) -> Result<(), JournalError> {
        let progress = self.progress();
        let performed = progress.performed.map(|(place, _)| place);
        let mut missing = [performed, progress.answered];
        let mut at = self.records_start();
        while at != self.end {
            let found = self.find(at).ok_or(JournalError::Damaged)?;
            at = found.end;
            for place in &mut missing {
                place.take_if(|place| *place == found.place);
            }
        }
        let [performed_word, answered_word] =
            [PERFORMED_AT, ANSWERED_AT].map(|at| load(&self.cells.header, self.area.word(at)));
        let has_no_rest =
            (performed.is_some() || performed_word == 0) && u32::try_from(answered_word).is_ok();
        if missing == [None; 2] && has_no_rest { Ok(()) } else { Err(JournalError::Damaged) }
    }

    /// The record whose length lies there, if it ends before the records do.
    fn find(&self, at: usize) -> Option<Found> {
        let start = at.checked_add(LENGTH_BYTES).filter(|start| *start <= self.end)?;
        let length = self.cells.length(self.area.byte(at))?.load(Ordering::Relaxed);
        let length = usize::try_from(length).ok()?;
        let end = end_of(start, length).filter(|end| *end <= self.end)?;
        Some(Found { place: Place::new(start)?, start, length, end })
    }

    fn copy(&self, at: usize, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.cells.bytes.copy_to(self.area.byte(at), &mut bytes).then_some(bytes)
    }

    fn records_start(&self) -> usize {
        end_of(0, self.snapshot_bytes).unwrap_or(AREA_BYTES)
    }

    /// A place of another area would damage the journal.
    fn assert_has(&self, place: Place) {
        let is_inside = Place::new(self.end).is_some_and(|end| place <= end);
        assert!(is_inside, "a place is of a record that was committed");
    }
}

impl Place {
    fn new(start: usize) -> Option<Self> {
        NonZeroU32::new(u32::try_from(start).ok()?).map(Self)
    }
}

/// A record, by offsets in its area.
struct Found {
    place: Place,
    start: usize,
    length: usize,
    end: usize,
}

/// Where something of this length that begins there ends in its area, and the next may begin.
#[inline]
fn end_of(start: usize, length: usize) -> Option<usize> {
    let end = start.checked_add(length)?.checked_next_multiple_of(LENGTH_BYTES)?;
    (end <= AREA_BYTES).then_some(end)
}

/// An offset in an area, out of a header.
fn in_area(word: u64) -> Result<usize, JournalError> {
    let offset = usize::try_from(word).map_err(|_| JournalError::Damaged)?;
    if offset <= AREA_BYTES { Ok(offset) } else { Err(JournalError::Damaged) }
}

/// The upper and the lower half.
fn halves(word: u64) -> [u32; 2] {
    [word >> 32, word & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or_default())
}

/// Words of the header.
const MAGIC_AT: usize = 0;
const VERSION_AT: usize = 1;
const AREA_AT: usize = 2;

/// Words of an area in the header.
const SNAPSHOT_AT: usize = 0;
const END_AT: usize = 1;
const PERFORMED_AT: usize = 2;
const ANSWERED_AT: usize = 3;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    First,
    Second,
}

impl Area {
    const fn named(name: u64) -> Option<Self> {
        match name {
            0 => Some(Self::First),
            1 => Some(Self::Second),
            _ => None,
        }
    }

    const fn name(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Where one of its words is among the header's: each area has a cache line.
    #[inline]
    const fn word(self, at: usize) -> usize {
        match self {
            Self::First => 8 + at,
            Self::Second => 16 + at,
        }
    }

    /// Where one of its bytes is in the memory.
    #[inline]
    const fn byte(self, at: usize) -> usize {
        match self {
            Self::First => HEADER_BYTES + at,
            Self::Second => HEADER_BYTES + AREA_BYTES + at,
        }
    }
}

/// The memory, mapped once for the words of the header and once for the bytes of the areas.
#[derive(Debug)]
struct Cells {
    header: SplitWords,
    bytes: WritableMapping,
    /// How many more are done: a test kills the writer between any two.
    #[cfg(test)]
    stores_left: core::cell::Cell<usize>,
}

/// What the writer stores, by its offset in the memory.
enum Store<'a> {
    /// A word of the header, by its number.
    Word(usize, u64),
    Length(usize, u32),
    Bytes(usize, &'a [u8]),
}

impl Cells {
    const fn new(header: SplitWords, bytes: WritableMapping) -> Self {
        Self {
            header,
            bytes,
            #[cfg(test)]
            stores_left: core::cell::Cell::new(usize::MAX),
        }
    }

    /// Makes memory of zeros a journal: its first area is empty and counts.
    fn format(&self) {
        self.store(Store::Word(VERSION_AT, VERSION));
        self.store(Store::Word(MAGIC_AT, MAGIC));
    }

    /// The only way to write: after what was stored before it, and before what is stored behind.
    #[inline]
    fn store(&self, store: Store<'_>) {
        #[cfg(test)]
        let Some(store) = tests::before_the_kill(&self.stores_left, store) else { return };
        match store {
            Store::Word(at, value) => word(&self.header, at).store(value, Ordering::Release),
            Store::Length(at, value) => {
                let length = self.length(at).expect("what is stored was measured");
                length.store(value, Ordering::Relaxed);
            }
            Store::Bytes(at, bytes) => {
                assert!(self.bytes.copy_from(at, bytes), "what is stored was measured");
            }
        }
        // Release orders what is before. Nothing that follows may come sooner, either: the area
        // that is written after a switch must not be written before it.
        compiler_fence(Ordering::SeqCst);
    }

    /// The length that lies at a byte of the memory.
    #[inline]
    fn length(&self, at: usize) -> Option<&AtomicU32> {
        self.bytes.words().get(at / LENGTH_BYTES)
    }
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the header is mapped whole, and its words are few")]
fn word(header: &SplitWords, at: usize) -> &AtomicU64 {
    &header.longs()[at]
}

fn load(header: &SplitWords, at: usize) -> u64 {
    word(header, at).load(Ordering::Acquire)
}

fn map_header(memory: BorrowedFd<'_>) -> Result<SplitWords, JournalError> {
    let header = mapping::map_writable(memory, HEADER_BYTES as u64)?;
    header.into_split(0).ok_or(JournalError::Damaged)
}

fn map_all(memory: BorrowedFd<'_>) -> Result<WritableMapping, JournalError> {
    Ok(mapping::map_writable(memory, MEMORY_BYTES)?)
}

/// What has a fixed size, which memory of ours has, or is no journal.
fn size_bytes(memory: BorrowedFd<'_>) -> Result<u64, JournalError> {
    match memfd::check_size_sealed(memory) {
        Ok(found) => Ok(found.size_bytes),
        Err(NotSealed::Refused(error)) => Err(JournalError::Kernel(error)),
        Err(NotSealed::NotMemory | NotSealed::Missing(_) | NotSealed::NotAPair) => {
            Err(JournalError::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use std::fs::File;
    use std::io::{Read as _, Write as _, pipe, stdin};
    use std::os::unix::fs::MetadataExt as _;
    use std::process::{Command, Stdio};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    /// What is stored of this by a writer that is killed after so many stores; each byte is one.
    pub(super) fn before_the_kill<'a>(left: &Cell<usize>, store: Store<'a>) -> Option<Store<'a>> {
        let wanted = match store {
            Store::Word(..) | Store::Length(..) => 1,
            Store::Bytes(_, bytes) => bytes.len(),
        };
        let done = wanted.min(left.get());
        left.set(left.get() - done);
        match store {
            Store::Bytes(at, bytes) => Some(Store::Bytes(at, &bytes[..done])),
            Store::Word(..) | Store::Length(..) => (done == 1).then_some(store),
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append(Vec<u8>),
        BeginAgain(Vec<u8>),
        /// Of the record of this number, counted round.
        SetPerformed(usize, u32),
        SetAnswered(usize),
        Adopt,
    }

    /// What a journal says, or should say.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct State {
        snapshot: Vec<u8>,
        records: Vec<(Place, Vec<u8>)>,
        progress: Progress,
    }

    impl State {
        fn of(journal: &Journal) -> Self {
            let snapshot = journal.snapshot();
            let records = journal.records().collect();
            Self { snapshot, records, progress: journal.progress() }
        }

        fn place(&self, record: usize) -> Option<Place> {
            let record = record.checked_rem(self.records.len())?;
            Some(self.records[record].0)
        }
    }

    /// What the successor finds.
    fn adopted(journal: Journal) -> Journal {
        let memory = journal.memory.as_fd().try_clone_to_owned().unwrap();
        drop(journal);
        Journal::adopt(memory).unwrap()
    }

    /// Does one step and says what it should have come to.
    fn take(journal: &mut Journal, before: &State, step: &Step) -> State {
        let mut after = before.clone();
        match step {
            Step::Append(record) => {
                let place = journal.append(record).unwrap();
                assert!(before.records.last().is_none_or(|(last, _)| *last < place));
                after.records.push((place, record.clone()));
            }
            Step::BeginAgain(snapshot) => {
                journal.begin_again(snapshot).unwrap();
                after = State { snapshot: snapshot.clone(), ..State::default() };
            }
            Step::SetPerformed(record, effects) => {
                if let Some(place) = before.place(*record) {
                    journal.set_performed(place, *effects);
                    after.progress.performed = Some((place, *effects));
                }
            }
            Step::SetAnswered(record) => {
                if let Some(place) = before.place(*record) {
                    journal.set_answered(place);
                    after.progress.answered = Some(place);
                }
            }
            Step::Adopt => {}
        }
        after
    }

    fn after(history: &[Step]) -> (Journal, State) {
        let (mut journal, mut state) = (Journal::create().unwrap(), State::default());
        for step in history {
            state = take(&mut journal, &state, step);
        }
        (journal, state)
    }

    fn append(record: &[u8]) -> Step {
        Step::Append(record.to_vec())
    }

    fn begin_again(snapshot: &[u8]) -> Step {
        Step::BeginAgain(snapshot.to_vec())
    }

    /// Kills the writer of this step after `stores` stores. What the successor has, and whether
    /// the step came to its end.
    fn killed(
        mut journal: Journal,
        before: &State,
        step: &Step,
        stores: usize,
    ) -> (Journal, State, bool) {
        journal.cells.stores_left.set(stores);
        let after = take(&mut journal, before, step);
        let is_done = journal.cells.stores_left.get() > 0;
        let journal = adopted(journal);
        let found = State::of(&journal);
        if is_done {
            assert_eq!(found, after, "{step:?} was done");
        } else {
            assert!(found == *before || found == after, "{step:?} after {stores}: {found:?}");
        }
        (journal, found, is_done)
    }

    /// Steps of every kind.
    fn steps() -> [Step; 5] {
        [
            append(b"torn away"),
            append(b""),
            begin_again(b"a snapshot"),
            Step::SetPerformed(1, 7),
            Step::SetAnswered(0),
        ]
    }

    /// Kills a writer in each step after each of its stores, its successor in each step after each
    /// of its own, and lets a third do something.
    #[track_caller]
    fn check_kills(history: &[Step]) {
        for (first, second) in
            steps().iter().flat_map(|first| steps().map(|second| (first, second)))
        {
            let mut was_after = false;
            for stores in 0.. {
                let (journal, before) = after(history);
                let (journal, found, is_done) = killed(journal, &before, first, stores);
                assert!(stores > 0 || found == before, "{first:?} has begun by itself");
                // Killed once more right behind, it is what it was.
                assert!(!was_after || found != before, "{first:?} was undone after {stores}");
                was_after = found != before;
                drop(journal);
                let is_second_done = (0..).find(|seconds| {
                    let (journal, before) = after(history);
                    let (journal, before, _) = killed(journal, &before, first, stores);
                    let (mut journal, before, done) = killed(journal, &before, &second, *seconds);
                    let wanted = take(&mut journal, &before, &append(b"third"));
                    assert_eq!(State::of(&adopted(journal)), wanted);
                    done
                });
                assert!(is_second_done.is_some());
                if is_done {
                    break;
                }
            }
        }
    }

    #[test]
    fn killed_anywhere_in_a_new_journal_it_is_as_before_or_after() {
        check_kills(&[]);
    }

    #[test]
    fn killed_anywhere_among_records_it_is_as_before_or_after() {
        check_kills(&[
            append(b"one"),
            append(b"of two"),
            Step::SetPerformed(0, u32::MAX),
            Step::SetAnswered(1),
        ]);
    }

    #[test]
    fn killed_anywhere_where_both_areas_were_used_it_is_as_before_or_after() {
        check_kills(&[
            append(b"long ago, and longer than what follows"),
            append(b"too"),
            Step::SetPerformed(1, 1),
            Step::SetAnswered(1),
            begin_again(b"the first snapshot of two"),
            append(b"one"),
            append(b"of these"),
            Step::SetPerformed(0, 3),
            Step::SetAnswered(0),
        ]);
    }

    #[test]
    fn killed_while_it_is_made_it_is_no_journal_or_an_empty_one() {
        for stores in 0..3 {
            let memory = memfd::create("killed", MEMORY_BYTES).unwrap();
            let header = map_header(memory.as_fd()).unwrap();
            let cells = Cells::new(header, map_all(memory.as_fd()).unwrap());
            cells.stores_left.set(stores);
            cells.format();
            let found = Journal::adopt(memory).map(|journal| State::of(&journal));
            let wanted = if stores < 2 { Err(JournalError::Damaged) } else { Ok(State::default()) };
            assert_eq!(found, wanted, "after {stores}");
        }
    }

    fn config(cases: u32) -> Config {
        let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
        let cases = if slow { 100 * cases } else { cases };
        Config { cases, failure_persistence: None, ..Config::default() }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..40)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            5 => bytes().prop_map(Step::Append),
            1 => bytes().prop_map(Step::BeginAgain),
            2 => (any::<usize>(), any::<u32>()).prop_map(|(at, of)| Step::SetPerformed(at, of)),
            2 => any::<usize>().prop_map(Step::SetAnswered),
            1 => Just(Step::Adopt),
        ]
    }

    /// A word of a header, or two of an area, with some chance to be a good one.
    fn word_of_garbage() -> impl Strategy<Value = u64> {
        prop_oneof![
            30 => 0..80_u64,
            5 => (0..80_u64, 0..80_u64).prop_map(|(high, low)| high << 32 | low),
            1 => (-9..9_i64).prop_map(|near| (AREA_BYTES as u64).wrapping_add_signed(near)),
            4 => any::<u64>(),
        ]
    }

    /// That whoever believes it can go on with it.
    fn check_consistent(journal: Journal) {
        let state = State::of(&journal);
        let progress = state.progress;
        for place in progress.performed.map(|(place, _)| place).into_iter().chain(progress.answered)
        {
            assert!(state.records.iter().any(|(found, _)| *found == place), "{place:?}");
        }
        let mut journal = adopted(journal);
        assert_eq!(State::of(&journal), state);
        if journal.append(b"more").is_err() {
            journal.begin_again(b"again").unwrap();
            journal.append(b"more").unwrap();
        }
        let last = adopted(journal).records().last().map(|(_, record)| record);
        assert_eq!(last.as_deref(), Some(&b"more"[..]));
    }

    proptest! {
        #![proptest_config(config(256))]

        #[test]
        fn it_does_what_a_list_does(
            steps in vec((step(), prop::option::weighted(0.3, 0..60_usize)), 0..40),
        ) {
            let (mut journal, mut state) = (Journal::create().unwrap(), State::default());
            for (step, kill) in steps {
                if let Some(stores) = kill {
                    (journal, state, _) = killed(journal, &state, &step, stores);
                } else {
                    state = take(&mut journal, &state, &step);
                    if matches!(step, Step::Adopt) {
                        journal = adopted(journal);
                    }
                }
                prop_assert_eq!(&State::of(&journal), &state);
            }
        }

        #[test]
        fn garbage_is_refused_or_consistent(
            active in 0..3_u64,
            header in vec(word_of_garbage(), 16),
            areas in vec(vec(word_of_garbage(), 0..24), 2),
            is_made in any::<bool>(),
        ) {
            let memory = memfd::create("garbage", MEMORY_BYTES).unwrap();
            let words = map_header(memory.as_fd()).unwrap();
            let made = if is_made { vec![MAGIC, VERSION, active] } else { Vec::new() };
            for (at, value) in made.iter().chain(&header).enumerate() {
                // The words of the areas begin at the eighth.
                let at = if at < made.len() { at } else { at - made.len() + 8 * made.len().min(1) };
                word(&words, at).store(*value, Ordering::Relaxed);
            }
            let all = map_all(memory.as_fd()).unwrap();
            for (area, words) in [Area::First, Area::Second].into_iter().zip(areas) {
                let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
                prop_assert!(all.copy_from(area.byte(0), &bytes));
            }
            if let Ok(journal) = Journal::adopt(memory) {
                check_consistent(journal);
            }
        }

        #[test]
        fn damage_is_refused_or_consistent(
            history in vec(step(), 0..12),
            damage in vec((any::<bool>(), 0..256_usize, any::<u8>()), 1..4),
        ) {
            let (journal, _) = after(&history);
            let area = journal.area;
            for (is_in_header, at, value) in damage {
                let at = if is_in_header { at } else { area.byte(at) };
                prop_assert!(journal.cells.bytes.copy_from(at, &[value]));
            }
            let memory = journal.memory.as_fd().try_clone_to_owned().unwrap();
            drop(journal);
            if let Ok(journal) = Journal::adopt(memory) {
                check_consistent(journal);
            }
        }
    }

    #[test]
    fn progress_of_no_record_is_damage() {
        let place = |start: u64| start << 32 | 1;
        for (at, value) in [
            (PERFORMED_AT, place(5)),
            (PERFORMED_AT, place(12)),
            (PERFORMED_AT, 1),
            (ANSWERED_AT, 3),
            (ANSWERED_AT, 1 << 32),
            (ANSWERED_AT, 1 << 32 | 4),
        ] {
            let (journal, _) = after(&[append(b"four")]);
            journal.cells.store(Store::Word(Area::First.word(at), value));
            let found = Journal::adopt(journal.memory).map(|_| ());
            assert_eq!(found, Err(JournalError::Damaged), "{value:#x}");
        }
    }

    #[test]
    fn more_than_an_area_holds_is_damage() {
        for (snapshot, end) in [
            (u64::MAX, AREA_BYTES as u64),
            (AREA_BYTES as u64 + 1, AREA_BYTES as u64),
            (0, AREA_BYTES as u64 + 8),
            (9, 8),
        ] {
            let (journal, _) = after(&[append(b"four")]);
            journal.cells.store(Store::Word(Area::First.word(SNAPSHOT_AT), snapshot));
            journal.cells.store(Store::Word(Area::First.word(END_AT), end));
            let huge = u32::try_from(AREA_BYTES).unwrap() - 4;
            journal.cells.store(Store::Length(Area::First.byte(0), huge));
            let found = Journal::adopt(journal.memory).map(|_| ());
            assert_eq!(found, Err(JournalError::Damaged), "{snapshot:#x} {end:#x}");
        }
    }

    #[test]
    fn another_version_is_told_before_anything_else_is_looked_at() {
        let memory = memfd::create("later", MEMORY_BYTES / 2).unwrap();
        let header = map_header(memory.as_fd()).unwrap();
        for (at, value) in [(MAGIC_AT, MAGIC), (VERSION_AT, 2), (AREA_AT, 9)] {
            word(&header, at).store(value, Ordering::Relaxed);
        }
        let error = Journal::adopt(memory).unwrap_err();
        assert_eq!(error, JournalError::Version { found: 2 });
        let text = "the former broker kept a journal of version 2, and this one reads version 1";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn what_is_no_journal_is_damaged() {
        let (reader, _writer) = pipe().unwrap();
        let short = memfd::create("short", HEADER_BYTES as u64 - 1).unwrap();
        let long = memfd::create("long", MEMORY_BYTES + 1).unwrap();
        let header = map_header(long.as_fd()).unwrap();
        word(&header, MAGIC_AT).store(MAGIC, Ordering::Relaxed);
        word(&header, VERSION_AT).store(VERSION, Ordering::Relaxed);
        for memory in [reader.into(), short, long] {
            assert_eq!(Journal::adopt(memory).unwrap_err(), JournalError::Damaged);
        }
    }

    #[test]
    fn memory_is_taken_where_something_was_written() {
        let (journal, _) = after(&[append(b"one"), begin_again(b"two"), append(b"three")]);
        let memory = File::from(adopted(journal).memory);
        let found = memory.metadata().unwrap();
        assert_eq!(found.len(), MEMORY_BYTES);
        // Three pages, of the largest size there is.
        assert!(found.blocks() * 512 <= 3 * HEADER_BYTES as u64, "{} blocks", found.blocks());
    }

    #[test]
    fn a_full_journal_says_so_and_stays_what_it_is() {
        let (mut journal, _) = after(&[append(b"one")]);
        let too_long = vec![0; AREA_BYTES + 1];
        assert_eq!(journal.begin_again(&too_long), Err(Full));
        let rest = AREA_BYTES - 8 - LENGTH_BYTES;
        assert_eq!(journal.append(&too_long[..=rest]), Err(Full));
        let place = journal.append(&too_long[..rest]).unwrap();
        assert_eq!([journal.append(b"x"), journal.append(b"")], [Err(Full); 2]);
        journal.set_answered(place);
        let mut journal = adopted(journal);
        let lengths: Vec<usize> = journal.records().map(|(_, record)| record.len()).collect();
        assert_eq!((lengths, journal.progress().answered), (vec![3, rest], Some(place)));
        assert_eq!(journal.append(b""), Err(Full));
        journal.begin_again(&too_long[..AREA_BYTES]).unwrap();
        let mut journal = adopted(journal);
        assert_eq!((journal.snapshot().len(), journal.records().count()), (AREA_BYTES, 0));
        assert_eq!(journal.append(b""), Err(Full));
        journal.begin_again(b"").unwrap();
        journal.append(b"one").unwrap();
    }

    #[test]
    fn beginning_again_pays_for_much_and_for_more_than_twice_the_snapshot() {
        let mut journal = Journal::create().unwrap();
        let [half, one] = [LONG_BYTES_MIN / 2, LONG_BYTES_MIN].map(|bytes| vec![0; bytes - 4]);
        journal.append(&half).unwrap();
        journal.append(&half).unwrap();
        assert!(!journal.is_long());
        journal.append(b"").unwrap();
        assert!(adopted(journal).is_long());
        let (mut journal, _) = after(&[begin_again(&vec![0; LONG_BYTES_MIN])]);
        journal.append(&one).unwrap();
        journal.append(&one).unwrap();
        assert!(!journal.is_long());
        journal.append(b"").unwrap();
        assert!(journal.is_long());
    }

    #[test]
    #[should_panic = "a place is of a record that was committed"]
    fn a_place_of_the_former_area_is_no_place() {
        let (mut journal, state) = after(&[append(b"one")]);
        journal.begin_again(b"").unwrap();
        journal.set_answered(state.records[0].0);
    }

    /// Set in the process that is to be killed.
    const CHILD: &str = "HANDFAST_TEST_JOURNAL_WRITER";

    /// The number that follows the last in it, if what is in it is consecutive.
    fn next_number(journal: &Journal) -> u64 {
        let mut next = match journal.snapshot().as_slice() {
            [] => 0,
            snapshot => u64::from_ne_bytes(snapshot.try_into().unwrap()),
        };
        for (_, record) in journal.records() {
            let (number, rest) = record.split_first_chunk().unwrap();
            assert_eq!(u64::from_ne_bytes(*number), next);
            assert!(rest.iter().all(|byte| *byte == number[0]));
            assert_eq!(rest.len() as u64, next % 61);
            next += 1;
        }
        next
    }

    /// The other process of [`a_killed_process_leaves_all_that_it_wrote`]; nothing by itself.
    #[test]
    fn writes_numbers_until_it_is_killed() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let mut journal = Journal::adopt(stdin().as_fd().try_clone_to_owned().unwrap()).unwrap();
        let mut next = next_number(&journal);
        let mut error = std::io::stderr().lock();
        loop {
            let mut record = next.to_ne_bytes().to_vec();
            record.resize(8 + usize::try_from(next % 61).unwrap(), record[0]);
            let place = journal.append(&record).unwrap();
            journal.set_performed(place, record[0].into());
            next += 1;
            if next.is_multiple_of(100) {
                journal.begin_again(&next.to_ne_bytes()).unwrap();
            }
            if next.is_multiple_of(1000) {
                error.write_all(b".").unwrap();
            }
        }
    }

    #[test]
    fn a_killed_process_leaves_all_that_it_wrote() {
        let mut journal = Journal::create().unwrap();
        for round in 0..20 {
            let memory = journal.memory.as_fd().try_clone_to_owned().unwrap();
            let before = next_number(&journal);
            drop(journal);
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "journal::tests::writes_numbers_until_it_is_killed"])
                .args(["--nocapture", "--test-threads=1"])
                .env(CHILD, "")
                .stdin(Stdio::from(memory.try_clone().unwrap()))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut dots = vec![0; 1 + round % 3];
            let mut error = child.stderr.take().unwrap();
            error.read_exact(&mut dots).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            journal = Journal::adopt(memory).unwrap();
            let told = 1000 * (dots.len() as u64 - 1);
            assert!(next_number(&journal) > before + told, "{dots:?}");
            let last = journal.records().last().map(|(place, _)| place);
            let performed = journal.progress().performed.map(|(place, _)| place);
            assert!(performed <= last);
        }
    }
}
