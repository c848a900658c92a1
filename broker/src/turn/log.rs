//! Writing down what a successor would not find out by itself, before it is acted on.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use handfast_model::contract::bytes::ByteWriter;
use handfast_model::object::PageId;
use tracing::error;

use super::Broker;
use super::reach::Brought;
use crate::door::{Door, Stage};
use crate::estate::{DoorEntry, Holdings, Waiting};
use crate::journal::Place;
use crate::mailbox::Mailbox;
use crate::processes::Living;
use crate::record::{self, DoorFacts, Input, Number, Record};
use crate::store::Payload;

impl Broker {
    /// Writes a record down.
    pub(super) fn log(&mut self, record: &Record<'_>) -> Place {
        let mut writer = ByteWriter::within(core::mem::take(&mut self.record));
        record.encode(&mut writer);
        let bytes = writer.finish();
        let place = self.journal.append(&bytes).or_else(|_| {
            // It is made short long before, unless one turn writes as much as all before it.
            self.make_journal_short();
            self.journal.append(&bytes)
        });
        self.record = bytes;
        place.unwrap_or_else(|_| {
            error!("the journal is full: a successor would not know what comes now");
            std::process::abort()
        })
    }

    /// Writes an input down, then applies it; its effects are performed.
    pub(super) fn log_input(&mut self, input: Input<'_>) -> Place {
        self.log(&Record::Input(input))
    }

    /// Takes a client's packet out of its queue, once it is written down or dealt with.
    pub(super) fn consume(&mut self, number: u64) {
        let Some(door) = self.doors.get(&number) else { return };
        if let Err(error) = door.socket.discard() {
            tracing::debug!(%error, "a packet could not be taken");
        }
    }

    /// Begins the journal again with all that there is, when that is shorter.
    pub(super) fn shorten_journal(&mut self) {
        if self.journal.is_long() {
            self.make_journal_short();
        }
    }

    pub(super) fn make_journal_short(&mut self) {
        let estate = self.holdings().encode(&self.manager);
        if self.journal.begin_again(&estate).is_err() {
            error!(bytes = estate.len(), "the journal has no room for all that there is");
            std::process::abort();
        }
    }

    fn holdings(&self) -> Holdings {
        let doors = self.doors.iter().map(|(number, door)| (*number, entry(door)));
        let waiting = self.put_off.iter().map(|message| Waiting {
            door: message.door,
            bytes: message.bytes.clone(),
            descriptors: numbers(&message.received.descriptors),
            pid: message.received.pid,
        });
        let (pages, pipes, payloads) = self.store.facts();
        let (last_process, processes) = self.processes.facts();
        Holdings {
            started_ns: self.started_ns,
            next_door: self.next_door,
            doors: doors.collect(),
            pages,
            pipes,
            payloads,
            last_process,
            processes,
            put_off: waiting.collect(),
            tools: self.own_numbers(),
        }
    }

    /// So many effects of an input have been performed.
    pub(super) fn performed(&self, input: Place, effects: usize) {
        self.journal.set_performed(input, u32::try_from(effects).unwrap_or(u32::MAX));
    }

    /// Writes down which memory a page is.
    pub(super) fn log_page(&mut self, page: PageId) {
        if let Some(facts) = self.store.page_facts(page) {
            self.log(&Record::Page { page, facts });
        }
    }
}

pub(super) fn numbers(descriptors: &[OwnedFd]) -> Vec<Number> {
    descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect()
}

impl Door {
    pub(super) fn facts(&self) -> DoorFacts {
        DoorFacts {
            socket: self.socket.as_fd().as_raw_fd(),
            process: self.process.as_raw_fd(),
            pid: self.pid,
            token: self.token,
        }
    }
}

fn entry(door: &Door) -> DoorEntry {
    let client = match door.stage {
        Stage::Client(client) => Some(client),
        Stage::Greeting => None,
    };
    let mailbox = door.mailbox.as_ref().map(Mailbox::numbers);
    DoorEntry { facts: door.facts(), client, mailbox }
}

impl Brought {
    pub(super) fn facts(&self) -> record::Brought {
        let payload = self.payload.as_ref().map(Payload::facts);
        record::Brought { payload, process: self.process.as_ref().map(Living::facts) }
    }
}
