//! Other processes that a client names, by a pidfd that comes with its request.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use handfast_model::object::{Came, ClientId, Process, ProcessId, Request, Takes};
use handfast_model::security::Token;
use handfast_sys::epoll::Interest;
use handfast_sys::{pidfd, process};
use tracing::warn;

use super::{Broker, TARGET};
use crate::door::Stage;
use crate::processes::Living;
use crate::record::Input;
use crate::store::Payload;

/// What came with a request and may be kept.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub(super) payload: Option<Payload>,
    /// What is to be a pidfd.
    pub(super) candidate: Option<OwnedFd>,
    /// A process that was not known.
    pub(super) process: Option<Living>,
}

impl Broker {
    /// Finds out which handle came, if one comes before the process.
    pub(super) fn take_process(&mut self, mut descriptors: Vec<OwnedFd>) -> (Came, Brought) {
        let handle = match descriptors.as_slice() {
            [_] => None,
            [handle, _] => self.store.identify(handle.as_fd()),
            _ => return self.take_nothing(descriptors),
        };
        if handle.is_none() && descriptors.len() > 1 {
            return self.take_nothing(descriptors);
        }
        let brought = Brought { candidate: descriptors.pop(), ..Brought::default() };
        (handle.map_or(Came::Nothing, Came::Handle), brought)
    }

    /// Finds out which process came. Nothing may be performed between this and the request: if what
    /// was known of a process goes, so does its number.
    pub(super) fn with_process(
        &mut self,
        client: ClientId,
        request: &Request,
        came: Came,
        brought: &mut Brought,
    ) -> Came {
        if request.takes() == Takes::OwnProcess {
            return self.own_process(client).map_or(came, Came::Process);
        }
        let Some(candidate) = brought.candidate.take() else { return came };
        match self.identify_process(candidate) {
            Ok((found, process)) => {
                brought.process = process;
                if let Came::Handle(handle) = came {
                    return Came::HandleAndProcess(handle, found);
                }
                Came::Process(found)
            }
            Err(unusable) => {
                self.undertaker.bury(vec![unusable]);
                came
            }
        }
    }

    fn take_nothing(&self, unusable: Vec<OwnedFd>) -> (Came, Brought) {
        self.undertaker.bury(unusable);
        (Came::Nothing, Brought::default())
    }

    /// The living process that a descriptor is of, and itself where it is not known yet.
    fn identify_process(
        &mut self,
        candidate: OwnedFd,
    ) -> Result<(Process, Option<Living>), OwnedFd> {
        let Some(pid) = pidfd::pid_of(candidate.as_fd()) else { return Err(candidate) };
        if let Some(ended) = self.processes.ended_with_pid(pid) {
            self.process_gone(ended);
        }
        let token = self.token_of(pid);
        // Asked last: as long as it lives nobody else has its number, so all this was about it.
        let lives = !pidfd::has_exited(candidate.as_fd());
        let Some(token) = token.filter(|_| lives) else { return Err(candidate) };
        if let Some(id) = self.processes.with_pid(pid) {
            self.undertaker.bury(vec![candidate]);
            return Ok((Process { id, token }, None));
        }
        let living = self.processes.meet(pid, candidate);
        Ok((Process { id: living.id, token }, Some(living)))
    }

    /// The process of a client, if anything was delivered to it.
    pub(super) fn own_process(&self, client: ClientId) -> Option<Process> {
        let door = self.doors.get(self.doors_of_clients.get(&client)?)?;
        let id = self.processes.with_pid(door.pid)?;
        let lives = !pidfd::has_exited(door.process.as_fd());
        lives.then_some(Process { id, token: door.token })
    }

    /// Who a process is: what it was when it connected, else what /proc says, which may be mounted
    /// so that other users are not in it.
    fn token_of(&self, pid: i32) -> Option<Token> {
        let is_client = |stage: Stage| matches!(stage, Stage::Client(_));
        let mut doors = self.doors.values();
        let door = doors.find(|door| {
            door.pid == pid && is_client(door.stage) && !pidfd::has_exited(door.process.as_fd())
        });
        if let Some(door) = door {
            return Some(door.token);
        }
        process::owner(pid).map(|(uid, gid)| Token { uid, gid })
    }

    /// Ends those of these processes that have ended.
    pub(super) fn end_processes(&mut self, mut asked: Vec<ProcessId>) {
        asked.sort_unstable();
        asked.dedup();
        for id in asked {
            if self.processes.has_ended(id) {
                self.process_gone(id);
            }
        }
    }

    pub(super) fn process_gone(&mut self, id: ProcessId) {
        let input = self.log_input(Input::ProcessGone(id));
        let mut effects = Vec::new();
        self.manager.process_gone(id, &mut effects);
        self.perform(input, effects, 0, &mut Brought::default());
    }

    /// # Panics
    ///
    /// When a request was about a process that is neither known nor came with it.
    pub(super) fn keep_process(&mut self, id: ProcessId, brought: &mut Brought) {
        let Some(living) = brought.process.take() else {
            assert!(self.processes.knows(id), "a process is to be watched that nobody has met");
            return;
        };
        let watch =
            |pidfd: BorrowedFd<'_>| self.poller.add(pidfd, TARGET | id.0, Interest::Readable);
        if let Some(Err(error)) = self.processes.keep(living).map(watch) {
            // Its end is then noticed when somebody asks for what waits for it.
            warn!(%error, process = id.0, "a process cannot be watched");
        }
    }

    pub(super) fn drop_process(&mut self, id: ProcessId) {
        if let Some(pidfd) = self.processes.remove(id) {
            self.forget(pidfd.as_fd());
            // It came from somebody else.
            self.undertaker.bury(vec![pidfd]);
        }
    }
}
