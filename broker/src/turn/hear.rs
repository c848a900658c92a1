//! Hearing out a client that holds a name by number: what it has said and the broker has not read
//! yet may have freed the name, and so may its end.

use std::os::fd::AsFd as _;

use handfast_model::object::{ClientId, Request};
use handfast_model::wire::{ClientMessage, UNANSWERED};
use handfast_sys::pidfd;
use handfast_sys::seqpacket::{Readiness, Received};

use super::Broker;
use super::answer::{Origin, Taken};
use super::log::numbers;
use crate::door::Door;
use crate::record::{Message, Record};

/// A message that was read before its turn, because a drop might have stood behind it.
#[derive(Debug)]
pub(super) struct PutOff {
    pub(super) door: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) received: Received,
}

/// More than the queue of one connection holds.
const LAST_WORDS_MAX: usize = 1024;
/// Of one connection. An honest client has one for each thread that waits for an answer.
const PUT_OFF_MAX: usize = 16;

impl Broker {
    /// Takes in what this client has dropped up to now: a name is free the moment its last handle
    /// is dropped, not when the broker happens to hear of it. What else it has said waits for its
    /// turn.
    pub(super) fn hear_out(&mut self, client: ClientId) {
        // Nobody waits for exact answers to the last words of one that is gone.
        if self.hearing {
            return;
        }
        let Some(number) = self.doors_of_clients.get(&client).copied() else { return };
        self.take_notes(number);
        let is_quiet = |door: &Door| door.socket.is_quiet(door.process.as_fd());
        if self.doors.get(&number).is_none_or(is_quiet) {
            return;
        }
        if self.is_over(number) {
            return self.hear_last_words(number);
        }
        for _ in 0..LAST_WORDS_MAX {
            if !self.has_packet(number) || self.put_off_of(number).count() >= PUT_OFF_MAX {
                return;
            }
            let Some(received) = self.incoming(number) else { return };
            self.drop_or_put_off(number, received);
        }
    }

    /// Everything it said before it went comes before its end.
    pub(super) fn hear_last_words(&mut self, number: u64) {
        self.hearing = true;
        for _ in 0..LAST_WORDS_MAX {
            if !self.has_packet(number) && self.put_off_of(number).next().is_none() {
                break;
            }
            self.receive(number);
        }
        self.hearing = false;
        self.end(number, "its process has ended, or it hung up");
    }

    /// Reads on in what was put off, as far as it was at the beginning: whoever talks without end
    /// does not keep others waiting.
    pub(super) fn catch_up(&mut self) {
        for _ in 0..self.put_off.len() {
            let Some(number) = self.put_off.front().map(|message| message.door) else { return };
            self.take_up(number);
            self.note_idleness();
        }
    }

    /// Deals with the first message of a client that was put off; whether there was one.
    pub(super) fn take_up(&mut self, number: u64) -> bool {
        let Some(place) = self.put_off.iter().position(|message| message.door == number) else {
            return false;
        };
        let Some(PutOff { bytes, received, .. }) = self.put_off.remove(place) else { return false };
        match self.buffer.get_mut(..bytes.len()) {
            Some(target) if self.doors.contains_key(&number) => {
                target.copy_from_slice(&bytes);
                self.message(number, received, Origin::PutOff);
            }
            Some(_) | None => self.undertaker.bury(received.descriptors),
        }
        true
    }

    fn drop_or_put_off(&mut self, door: u64, received: Received) {
        let bytes = self.buffer.get(..received.length).unwrap_or_default();
        match ClientMessage::decode(bytes, received.descriptors.len()) {
            Ok(ClientMessage::Request {
                number: UNANSWERED,
                request: Request::Drop { .. } | Request::DropHandle { .. },
            }) => {
                if self.message(door, received, Origin::Queue) == Taken::No {
                    self.consume(door);
                }
            }
            Ok(_) | Err(_) => {
                let bytes = bytes.to_vec();
                let descriptors = numbers(&received.descriptors);
                let message = Message { bytes: &bytes, descriptors, pid: received.pid };
                self.log(&Record::PutOff { door, message });
                self.consume(door);
                self.put_off.push_back(PutOff { door, bytes, received });
            }
        }
    }

    /// Forgets what somebody said who is gone.
    pub(super) fn put_off_gone(&mut self, number: u64) {
        while let Some(place) = self.put_off.iter().position(|message| message.door == number) {
            let message = self.put_off.remove(place);
            let descriptors = message.map(|message| message.received.descriptors);
            self.undertaker.bury(descriptors.unwrap_or_default());
        }
    }

    fn put_off_of(&self, number: u64) -> impl Iterator<Item = &PutOff> {
        self.put_off.iter().filter(move |message| message.door == number)
    }

    /// Whether the client behind a door has hung up, or its process has ended.
    fn is_over(&self, number: u64) -> bool {
        self.doors.get(&number).is_some_and(|door| {
            pidfd::has_exited(door.process.as_fd()) || door.socket.has_hung_up()
        })
    }

    fn has_packet(&self, number: u64) -> bool {
        let door = self.doors.get(&number);
        door.is_some_and(|door| matches!(door.socket.wait_readable(Some(0)), Ok(Readiness::Ready)))
    }
}
