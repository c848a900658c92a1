//! Going on where a predecessor was killed.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

use handfast_model::object::{Attachment, Effect, HandleId, PageId, PageKind, Resources};
use handfast_sync::mailbox::Unanswered;
use handfast_sys::epoll::Interest;
use handfast_sys::inheritance::Inheritance;
use handfast_sys::kept::Kept;
use handfast_sys::seqpacket::{Incoming, Listener, Received, Socket};
use tracing::{debug, info, warn};

use super::hear::PutOff;
use super::reach::Brought;
use super::{BELL, Broker, Config, HANDLE, ServeError, TARGET, Tools};
use crate::door::{Door, Stage, Way};
use crate::estate::{Answer, DoorEntry, Estate, EstateError, Holdings, Outcome, Owed, Waiting};
use crate::journal::{Journal, Place};
use crate::mailbox::Mailbox;
use crate::page::Page;
use crate::processes::{Living, Processes};
use crate::record::{PageFacts, PayloadFacts, PipeFacts, Record};
use crate::store::Payload;

/// What a predecessor had begun and not finished.
#[derive(Debug, Default)]
struct Unfinished {
    /// The last input, and how many of its effects were performed.
    last: Option<(Place, Outcome, usize)>,
    /// Whoever was owed an answer, for which input.
    owed: Option<(Place, Owed, Answer)>,
}

impl Unfinished {
    /// The handles that whoever is owed an answer gets with it.
    fn unsent(&self) -> Vec<HandleId> {
        let Some((_, _, Answer::Request(Ok(reply)))) = &self.owed else { return Vec::new() };
        let handle = |attachment| {
            if let Attachment::Handle(handle) = attachment { Some(handle) } else { None }
        };
        reply.attachments().into_iter().filter_map(handle).collect()
    }
}

impl Broker {
    /// Takes over everything that a predecessor left, and finishes what it had begun.
    pub(super) fn succeed(
        listener: Listener,
        config: Config,
        tools: Tools,
        mut left: Inheritance,
    ) -> Result<Self, ServeError> {
        let (Estate { manager, holdings }, unfinished) = read(&tools.journal)?;
        // At once: there may be no room for as many of its own.
        holdings.tools.iter().for_each(|number| drop(left.claim(*number)));
        let mut broker = Self::with(listener, config, tools, manager)?;
        broker.started_ns = holdings.started_ns;
        broker.next_door = holdings.next_door;
        broker.processes = Processes::met(holdings.last_process);
        let is_owed = |door| {
            unfinished
                .owed
                .as_ref()
                .is_some_and(|(_, owed, _)| owed.door == door && owed.way == Way::Mailbox)
        };
        let Holdings { doors, pages, pipes, payloads, processes, put_off, .. } = holdings;
        broker.take_pages(pages, &mut left);
        broker.take_pipes(pipes, &unfinished.unsent(), &mut left);
        for (id, PayloadFacts { read_only, writable, size_bytes }) in payloads {
            let writable = writable.and_then(|number| left.claim(number));
            if let Some(read_only) = left.claim(read_only) {
                broker.store.keep_payload(id, Payload { read_only, writable, size_bytes });
            }
        }
        for (id, (pid, pidfd)) in processes {
            let Some(pidfd) = left.claim(pidfd) else { continue };
            let kept = broker.processes.keep(Living::kept(id, pid, pidfd));
            let watched =
                kept.map(|pidfd| broker.poller.add(pidfd, TARGET | id.0, Interest::Readable));
            report(watched, "a process cannot be watched");
        }
        for Waiting { door, bytes, descriptors, pid } in put_off {
            let descriptors = descriptors.into_iter().filter_map(|number| left.claim(number));
            let received =
                Received { length: bytes.len(), descriptors: descriptors.collect(), pid };
            broker.put_off.push_back(PutOff { door, bytes, received });
        }
        for (number, entry) in doors {
            broker.take_door(number, entry, is_owed(number), &mut left)?;
        }
        // What it had open and not written down: nobody knows what for.
        broker.undertaker.bury(left.rest());
        broker.undertaker.flush();
        broker.finish(unfinished)?;
        let (clients, objects) = broker.manager.counts();
        info!(pid = std::process::id(), clients, objects, "going on for a broker that was killed");
        broker.make_journal_short();
        broker.listen_again();
        broker.note_idleness();
        Ok(broker)
    }

    fn take_pages(&mut self, pages: BTreeMap<PageId, PageFacts>, left: &mut Inheritance) {
        let places: Vec<u32> = pages.values().filter_map(|facts| facts.kept).collect();
        let kept = self.keeping.claim(&places);
        let mut kept: BTreeMap<u32, Kept> =
            kept.into_iter().map(|kept| (kept.place(), kept)).collect();
        for (id, PageFacts { words, writable, read_only, kept: place }) in pages {
            let descriptors =
                [writable, read_only].map(|number| number.and_then(|number| left.claim(number)));
            let kept = place.and_then(|place| kept.remove(&place));
            match Page::adopt(words, descriptors, kept) {
                Ok(page) => self.store.adopt_page(id, page),
                Err(error) => warn!(page = id.0, %error, "a page is lost"),
            }
        }
    }

    /// The read end of a handle that was sent was closed without a word, and its number may be
    /// another descriptor's by now.
    fn take_pipes(
        &mut self,
        pipes: BTreeMap<HandleId, PipeFacts>,
        unsent: &[HandleId],
        left: &mut Inheritance,
    ) {
        for (id, PipeFacts { kept, read_end, inode }) in pipes {
            let read_end = read_end.filter(|_| unsent.contains(&id));
            let read_end = read_end.and_then(|number| left.claim(number));
            let Some(kept) = left.claim(kept) else { continue };
            let kept = self.store.adopt_pipe(id, (kept.into(), read_end), inode);
            let watched =
                kept.map(|kept| self.poller.add(kept, HANDLE | id.0, Interest::HangUpOnly));
            report(watched, "a handle cannot be watched");
        }
    }

    fn take_door(
        &mut self,
        number: u64,
        DoorEntry { facts, client, mailbox }: DoorEntry,
        is_owed: bool,
        left: &mut Inheritance,
    ) -> Result<(), ServeError> {
        let both = left.claim(facts.socket).zip(left.claim(facts.process));
        let Some((socket, process)) = both else {
            // Nothing can have closed them: what it holds stays until the broker leaves.
            warn!(door = number, "a connection is lost");
            return Ok(());
        };
        let mailbox = mailbox.and_then(|(memory, bell)| {
            let unanswered = if is_owed { Unanswered::Yes } else { Unanswered::No };
            let both = left.claim(memory).zip(left.claim(bell));
            both.map(|(memory, bell)| Mailbox::adopt(memory, bell, unanswered))
        });
        let mailbox = mailbox.transpose()?;
        let stage = client.map_or(Stage::Greeting, Stage::Client);
        let (pid, token) = (facts.pid, facts.token);
        let door = Door { socket: Socket::from(socket), process, pid, token, stage, mailbox };
        self.watch_door(number, &door)?;
        if let Some(mailbox) = &door.mailbox {
            self.poller.add(mailbox.bell(), BELL | number, Interest::Rings)?;
        }
        if let Some(client) = client {
            self.doors_of_clients.insert(client, number);
        }
        self.doors.insert(number, door);
        Ok(())
    }

    /// Performs the effects that were left, takes the packet that was written down out of its
    /// queue, and answers whoever waits for it.
    ///
    /// # Errors
    ///
    /// The descriptor limit or memory: what was promised cannot be made.
    fn finish(&mut self, unfinished: Unfinished) -> Result<(), ServeError> {
        let Unfinished { last, owed } = unfinished;
        if let Some((input, outcome, done)) = last {
            if let Some((door, bytes)) = &outcome.packet {
                self.consume_if_there(*door, bytes);
            }
            let effects = outcome.effects;
            if let Some(effect) = effects.get(done) {
                self.begin_again(effect);
            }
            self.store.reserve(needed(&effects, done), &self.keeping)?;
            self.perform(input, effects, done, &mut Brought::default());
        }
        if let Some((input, owed, answer)) = owed {
            let door = self.doors.get(&owed.door);
            let is_seen = owed.way == Way::Mailbox
                && door.and_then(|door| door.mailbox.as_ref()).is_some_and(Mailbox::has_answered);
            match answer {
                Answer::Welcome { client, version } => self.welcome(owed.door, client, version),
                Answer::Request(_) if is_seen => {}
                Answer::Request(answer) => self.answer(input, owed, answer),
            }
        }
        self.store.all_sent();
        Ok(())
    }

    /// Makes good what half of an effect may have left.
    fn begin_again(&mut self, effect: &Effect) {
        if let Effect::LeaveSeat { page, seat, leaving } = effect
            && let Some(page) = self.store.page(*page)
        {
            page.leave_seat_again(*seat, *leaving);
        }
        // What was made is made once more: nobody has got this one.
        if let Effect::MakePage { page, .. } = effect {
            self.store.drop_page(*page);
        }
        if let Effect::MakeHandle { handle } = effect
            && let Some(kept) = self.store.drop_handle(*handle)
        {
            self.forget(kept.as_fd());
        }
    }

    /// A packet that was written down may still be in its queue.
    fn consume_if_there(&mut self, number: u64, bytes: &[u8]) {
        let Some(door) = self.doors.get(&number) else { return };
        let Ok(Incoming::Message(received)) = door.socket.peek(&mut self.buffer) else { return };
        let is_it = self.buffer.get(..received.length) == Some(bytes);
        if is_it {
            self.consume(number);
        }
        self.undertaker.bury(received.descriptors);
        self.undertaker.flush();
    }

    /// Mailboxes are heard when they ring; what was said in them meanwhile is looked for now.
    fn listen_again(&mut self) {
        let doors: Vec<u64> = self.doors.keys().copied().collect();
        for number in doors {
            self.rung(number);
        }
    }
}

/// What the effects that were left make anew: what their request had reserved is not there.
fn needed(effects: &[Effect], done: usize) -> Resources {
    let mut needed = Resources::default();
    for effect in effects.iter().skip(done) {
        if let Effect::MakePage { kind, .. } = effect {
            match kind {
                PageKind::StreamSender | PageKind::StreamReceiver => needed.stream_pages += 1,
                PageKind::Fence { .. } | PageKind::Event { .. } | PageKind::KeyedMutex => {
                    needed.pages += 1;
                }
            }
        }
        needed.handles += usize::from(matches!(effect, Effect::MakeHandle { .. }));
    }
    needed
}

fn report(watched: Option<handfast_sys::Result<()>>, what: &'static str) {
    if let Some(Err(error)) = watched {
        warn!(%error, what);
    }
}

/// Reads a journal to its end.
fn read(journal: &Journal) -> Result<(Estate, Unfinished), EstateError> {
    let mut estate = Estate::decode(&journal.snapshot())?;
    let mut unfinished = Unfinished::default();
    let progress = journal.progress();
    for (place, bytes) in journal.records() {
        let record = Record::decode(&bytes)?;
        let Some(mut outcome) = estate.read(&record)? else { continue };
        if let Some((owed, answer)) = outcome.owed.take() {
            let is_answered = progress.answered == Some(place);
            unfinished.owed = (!is_answered).then_some((place, owed, answer));
        }
        let done = match progress.performed {
            Some((of, done)) if of == place => usize::try_from(done).unwrap_or(usize::MAX),
            Some(_) | None => 0,
        };
        unfinished.last = Some((place, outcome, done));
    }
    debug!(?progress, "the journal is read");
    Ok((estate, unfinished))
}
