//! What lies in the clients' mailboxes: requests, and notes of what they drop.

use core::mem;

use handfast_model::wire::{BrokerMessage, ClientMessage, Note, UNANSWERED};
use handfast_sync::mailbox::Heard;
use handfast_sys::epoll::Interest;
use tracing::{debug, warn};

use super::answer::Asked;
use super::{BELL, Broker};
use crate::door::{Stage, Way};
use crate::estate::Owed;
use crate::mailbox::{Mailbox, Pace};
use crate::record::{Record, Said};

/// How long what a busy client drops may lie there.
const LOOK_AFTER_NS: u64 = 10_000_000;

impl Broker {
    /// Gives a client a mailbox. One that has one, or for which there is no room, is refused.
    pub(super) fn give_mailbox(&mut self, number: u64, question: u32) {
        let Some(door) = self.doors.get_mut(&number) else { return };
        if door.mailbox.is_none() {
            match Mailbox::make() {
                Ok(made) => door.mailbox = made,
                Err(error) => warn!(%error, "out of descriptors or memory"),
            }
            if let Some((memory, bell)) = door.mailbox.as_ref().map(Mailbox::numbers) {
                self.log(&Record::Mailbox { door: number, memory, bell });
            }
        }
        let Some(door) = self.doors.get(&number) else { return };
        let descriptors = door.mailbox.as_ref().and_then(Mailbox::descriptors);
        let Some(descriptors) = descriptors else {
            return self.refuse(Owed { door: number, number: question, way: Way::Socket });
        };
        let [_, bell] = descriptors;
        if let Err(error) = self.poller.add(bell, BELL | number, Interest::Rings) {
            debug!(%error, "a mailbox is watched already, or cannot be");
        }
        if door.send(&BrokerMessage::Mailbox { number: question }, &descriptors).is_err() {
            self.end(number, "it cannot be answered");
        }
    }

    /// A client rang: for what it dropped, for a request, or for both.
    pub(super) fn rung(&mut self, number: u64) {
        let Some(mailbox) = self.doors.get_mut(&number).and_then(|door| door.mailbox.as_mut())
        else {
            return;
        };
        let mut notes = mem::take(&mut self.notes);
        let mut letter = mem::take(&mut self.letter);
        let heard = mailbox.hear(&mut notes, &mut letter);
        self.act_on(number, &notes);
        match heard {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Request) => {
                self.note_busy(number);
                self.open_letter(number, &letter);
            }
            Err(_) => self.end(number, "its mailbox was not understood"),
        }
        notes.clear();
        (self.notes, self.letter) = (notes, letter);
    }

    /// Who asks something often drops something next: for that the broker looks by itself, as long
    /// as the asking goes on.
    fn note_busy(&mut self, number: u64) {
        let mailbox = self.doors.get_mut(&number).and_then(|door| door.mailbox.as_mut());
        if mailbox.is_some_and(Mailbox::becomes_busy) {
            if self.busy.is_empty() {
                self.look_soon();
            }
            self.busy.push(number);
        }
    }

    fn look_soon(&self) {
        if let Err(error) = self.look_after.set(LOOK_AFTER_NS) {
            warn!(%error, "what busy clients drop is looked for when they ask again");
        }
    }

    /// Looks after busy mailboxes.
    pub(super) fn look_after_busy(&mut self) {
        for number in mem::take(&mut self.busy) {
            let Some(door) = self.doors.get_mut(&number) else { continue };
            let Some(mailbox) = &mut door.mailbox else { continue };
            let mut notes = Vec::new();
            let pace = mailbox.look_after(&mut notes);
            self.act_on(number, &notes);
            match pace {
                Ok(Pace::Busy) => self.busy.push(number),
                Ok(Pace::Idle) => {}
                Err(_) => self.end(number, "its mailbox was not understood"),
            }
        }
        if !self.busy.is_empty() {
            self.look_soon();
        }
    }

    /// What a client has dropped so far, before anything else of it is looked at.
    pub(super) fn take_notes(&mut self, number: u64) {
        let Some(mailbox) = self.doors.get_mut(&number).and_then(|door| door.mailbox.as_mut())
        else {
            return;
        };
        let mut notes = Vec::new();
        if mailbox.take_notes(&mut notes).is_err() {
            // The next ring ends it.
            return;
        }
        self.act_on(number, &notes);
    }

    /// What everybody has dropped so far, before somebody is told what there is.
    pub(super) fn take_all_notes(&mut self) {
        let doors: Vec<_> = self.doors.keys().copied().collect();
        for number in doors {
            self.take_notes(number);
        }
    }

    fn act_on(&mut self, number: u64, notes: &[u64]) {
        let Some(Stage::Client(client)) = self.doors.get(&number).map(|door| door.stage) else {
            return;
        };
        for note in notes {
            let Some(known) = Note::decode(*note) else {
                debug!(note, "a note was not understood");
                continue;
            };
            let said = Said::Note(*note);
            let asked = Asked { door: number, number: UNANSWERED, said };
            self.request(client, asked, &known.request(), Vec::new());
        }
        // Now a successor would find nothing in them any more.
        if let Some(mailbox) = self.doors.get_mut(&number).and_then(|door| door.mailbox.as_mut()) {
            mailbox.settle_notes();
        }
    }

    fn open_letter(&mut self, number: u64, bytes: &[u8]) {
        let stage = self.doors.get(&number).map(|door| door.stage);
        let message = ClientMessage::decode(bytes, 0);
        match (stage, message) {
            (
                Some(Stage::Client(client)),
                Ok(ClientMessage::Request { number: request, request: what }),
            ) if request != UNANSWERED => {
                let asked = Asked { door: number, number: request, said: Said::Letter(bytes) };
                self.request(client, asked, &what, Vec::new());
            }
            _ => self.end(number, "its letter was not understood"),
        }
    }
}
