//! Who comes in: accepting connections, turning strangers away, greeting clients.

use std::os::fd::AsFd as _;

use handfast_model::contract::limits;
use handfast_model::object::{Cap, ClientId, Error};
use handfast_model::security::Token;
use handfast_model::wire::{self, BrokerMessage, Hello, Refused, Welcome};
use handfast_sys::epoll::Interest;
use handfast_sys::seqpacket::Socket;
use handfast_sys::{peer, process};
use tracing::{debug, warn};

use super::answer::Taken;
use super::{Broker, DOOR, PROCESS, ServeError, Users};
use crate::door::{Door, Stage};
use crate::record::{Input, Record};

/// Accepted at once, so that a flood of connections does not starve those that are there.
const ACCEPTED_PER_TURN: usize = 16;

impl Broker {
    pub(super) fn accept(&mut self) -> Result<(), ServeError> {
        for _ in 0..ACCEPTED_PER_TURN {
            match self.listener.accept() {
                Ok(Some(socket)) => {
                    if let Err(error) = self.admit(socket) {
                        warn!(%error, "a connection was turned away");
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) if error.is_descriptor_limit() => {
                    warn!(%error, "no descriptor left for another client");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn admit(&mut self, socket: Socket) -> handfast_sys::Result<()> {
        let peer = peer::peer(&socket)?;
        let process = peer::peer_pidfd(&socket, peer.pid)?;
        socket.pass_credentials()?;
        // Only whoever is a client has descriptors to send.
        socket.refuse_descriptors()?;
        let token = Token { uid: peer.uid, gid: peer.gid };
        let door =
            Door { socket, process, pid: peer.pid, token, stage: Stage::Greeting, mailbox: None };
        let refused = self.refuses(token);
        if let Some(refused) = refused {
            debug!(uid = token.uid, "refused: another user");
            drop(door.refuse(refused));
            return Ok(());
        }
        if self.doors.len() >= limits::CLIENTS_MAX {
            let limit = u64::try_from(limits::CLIENTS_MAX).unwrap_or(u64::MAX);
            drop(door.refuse(Refused::Cap { cap: Cap::Clients, limit }));
            return Ok(());
        }
        self.next_door += 1;
        let number = self.next_door;
        let facts = door.facts();
        self.watch_door(number, &door)?;
        self.doors.insert(number, door);
        self.log(&Record::Door { door: number, facts });
        Ok(())
    }

    pub(super) fn watch_door(&self, number: u64, door: &Door) -> handfast_sys::Result<()> {
        self.poller.add(door.socket.as_fd(), DOOR | number, Interest::Readable)?;
        self.poller.add(door.process.as_fd(), PROCESS | number, Interest::Readable)
    }

    /// Whom this broker does not serve. Behind a user namespace every foreign user has the
    /// overflow id, so that one cannot be told from another.
    pub(super) fn refuses(&self, token: Token) -> Option<Refused> {
        let broker_uid = process::uid();
        let stranger = token.uid == peer::overflow_uid() && peer::in_user_namespace();
        let served = match self.config.users {
            Users::All => !stranger,
            Users::Own => token.uid == broker_uid || (token.is_system() && !stranger),
        };
        (!served).then_some(Refused::User { uid: token.uid, broker_uid })
    }

    pub(super) fn greet(&mut self, number: u64, hello: Hello) -> Taken {
        let Some(door) = self.doors.get_mut(&number) else { return Taken::No };
        let Some(version) = hello.common_version() else {
            let refused = Refused::Version { oldest: wire::VERSION_OLDEST, newest: wire::VERSION };
            drop(door.refuse(refused));
            self.end(number, "it speaks no version of ours");
            return Taken::No;
        };
        let (token, pid) = (door.token, door.pid);
        let input = self.log_input(Input::Arrived { door: number, version });
        self.consume(number);
        match self.manager.client_arrived(token, pid) {
            Ok(client) => {
                self.welcome(number, client, version);
                self.journal.set_answered(input);
            }
            Err(error) => {
                if let (Error::CapReached { cap, limit }, Some(door)) =
                    (error, self.doors.get(&number))
                {
                    drop(door.refuse(Refused::Cap { cap, limit }));
                }
                self.end(number, "there is no room for it");
            }
        }
        Taken::Yes
    }

    /// Greets whoever has become a client.
    pub(super) fn welcome(&mut self, number: u64, client: ClientId, version: u16) {
        let Some(door) = self.doors.get_mut(&number) else { return };
        door.stage = Stage::Client(client);
        if let Err(error) = door.socket.accept_descriptors() {
            debug!(%error, "a client's socket cannot be opened for descriptors");
        }
        self.doors_of_clients.insert(client, number);
        let welcome = Welcome {
            version,
            instance: self.manager.instance(),
            pid: i32::try_from(std::process::id()).unwrap_or_default(),
            uid: process::uid(),
            started_ns: self.started_ns,
        };
        if door.send(&BrokerMessage::Welcome(welcome), &[]).is_err() {
            self.end(number, "it cannot be answered");
        }
    }
}
