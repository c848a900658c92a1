//! Others write anything, anywhere, also between two accesses of one call: every call returns.

use std::sync::atomic::Ordering;

use handfast_sync::event::{self, Initially, Reset};
use handfast_sync::fence::{self, Gone, Signaller, WaitFor, leave, seat_taken};
use handfast_sync::page::PAGE_LONGS;
use handfast_sync::wait::{FenceTicket, Waitable, arm_all, arm_any, try_all, try_any};
use handfast_sync::{Event, EventReader, Fence, FenceReader, SEATS_MAX, Seat};
use proptest::prelude::*;

use crate::kit::{Hooked, Ledger, Memory, would_sleep};

/// Values that mean something here and there, and any others.
fn value() -> impl Strategy<Value = u64> {
    let halves = (0..8_u32, prop_oneof![0..9_u32, Just(u32::MAX), any::<u32>()])
        .prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low));
    prop_oneof![0..40_u64, halves, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 31)]
}

/// Places that mean something, and any others.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..5_usize, 2 => 8..72_usize, 1 => 0..PAGE_LONGS]
}

fn writes() -> impl Strategy<Value = Vec<(usize, u64)>> {
    prop::collection::vec((place(), value()), 0..200)
}

fn header() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((3..16_usize, prop_oneof![0..4_u32, any::<u32>()]), 0..4)
}

/// Memory that somebody else writes all the time: one write before each access.
fn hostile(memory: &Memory, writes: &[(usize, u64)]) -> Hooked<impl FnMut(usize)> {
    let target = memory.clone();
    Hooked::new(memory.clone(), move |access| {
        if let Some((place, value)) = writes.get(access % (writes.len() + 1)) {
            target.longs[*place].store(*value, Ordering::SeqCst);
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_call_to_a_fence_returns(
        writes in writes(),
        header in header(),
        steps in prop::collection::vec((0..9_u32, value()), 1..40),
    ) {
        let memory = Memory::fence(0);
        for (place, value) in header {
            memory.header[place].store(value, Ordering::SeqCst);
        }
        let park = Ledger::default();
        let fence = Fence::new(hostile(&memory, &writes), park.clone()).unwrap();
        let reader = FenceReader::new(hostile(&memory, &writes)).unwrap();
        let page = hostile(&memory, &writes);
        let seat = Seat::new(3).unwrap();
        let (mut wait, mut reading) = (fence.begin_wait(5), reader.begin_wait(5));
        for (step, value) in steps {
            let number = u32::try_from(value % u64::from(SEATS_MAX + 3)).unwrap();
            match step {
                0 | 1 => fence.signal(Some(&seat), value),
                2 => wait = fence.begin_wait(value),
                3 => reading = reader.begin_wait(value),
                4 => {
                    fence.arm(&mut wait).as_ref().map(would_sleep);
                    reader.arm(&mut reading).as_ref().map(would_sleep);
                }
                5 => leave(&page, number, Gone::Died, &park),
                6 => leave(&page, number, Gone::Released, &park),
                7 => seat_taken(&page, number, Signaller::Yes),
                _ => {
                    fence.retire();
                    wait.follow(&fence);
                    fence::bump(&page, &park);
                }
            }
            fence.look(&mut wait);
            reader.look(&mut reading);
        }
    }

    #[test]
    fn every_call_to_an_event_returns(
        auto in any::<bool>(),
        writes in writes(),
        header in header(),
        steps in prop::collection::vec((0..12_u32, value()), 1..40),
    ) {
        let reset = if auto { Reset::Auto } else { Reset::Manual };
        let memory = Memory::event(reset, Initially::Unsignaled);
        let park = Ledger::default();
        let event = Event::new(hostile(&memory, &writes), park.clone()).unwrap();
        let other = Event::new(hostile(&memory, &writes), park.clone()).unwrap();
        let reader = EventReader::new(hostile(&memory, &writes)).ok();
        let page = hostile(&memory, &writes);
        let fence_memory = Memory::fence(0);
        let fence = Fence::new(hostile(&fence_memory, &writes), park.clone()).unwrap();
        for (place, value) in header {
            memory.header[place].store(value, Ordering::SeqCst);
        }
        let seat = Seat::new(3).unwrap();
        let mut objects: Vec<Box<dyn Waitable<'_> + '_>> = vec![
            Box::new(event.begin_wait(&seat)),
            Box::new(other.begin_wait(&seat)),
            Box::new(FenceTicket::new(&fence, 5)),
        ];
        if let Some(reader) = &reader {
            objects.push(Box::new(reader.begin_wait()));
        }
        for (step, value) in steps {
            let number = u32::try_from(value % u64::from(SEATS_MAX + 3)).unwrap();
            let mut list = Vec::new();
            match step {
                0 => _ = event.set(),
                1 => _ = event.reset(),
                2 => _ = event.try_take(),
                3 => _ = event.arm().as_ref().map(would_sleep),
                4 => if let Some(reservation) = event.reserve(&seat) {
                    other.set();
                    event.commit(reservation);
                },
                5 => if let Some(reservation) = event.reserve(&seat) {
                    other.reset();
                    event.back_out(reservation);
                },
                6 => event::leave(&page, number, &park),
                7 => _ = try_any(&mut objects),
                8 => _ = try_all(&mut objects),
                9 => _ = arm_any(&mut objects, &mut list),
                10 => _ = arm_all(&mut objects, &mut list),
                _ => event.retire(),
            }
            prop_assert!(list.len() <= objects.len());
        }
    }
}
