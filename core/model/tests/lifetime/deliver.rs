//! Handles that are delivered to another process: who may, with which rights, and how long they
//! and their numbers live.

use super::*;
use handfast_model::object::Concerned;

const SAME: AccessMask = AccessMask::empty();

fn process(id: u64, uid: u32) -> Process {
    Process { id: ProcessId(id), token: Token { uid, gid: uid } }
}

impl Desk {
    fn try_deliver(
        &mut self,
        client: ClientId,
        handle: HandleId,
        target: Process,
        access: AccessMask,
    ) -> Result<u32, Error> {
        let came = Came::HandleAndProcess(handle, target);
        match self.check(client, &Request::Deliver { access }, came)? {
            Reply::Delivered { ticket } => Ok(ticket),
            other => panic!("Deliver is answered with {other:?}"),
        }
    }

    fn deliver(&mut self, client: ClientId, handle: HandleId, target: Process) -> u32 {
        self.try_deliver(client, handle, target, SAME).unwrap()
    }

    fn redeem(
        &mut self,
        client: ClientId,
        own: Process,
        ticket: u32,
    ) -> Result<(HandleId, AccessMask), Error> {
        taken(self.check(client, &Request::Redeem { ticket }, Came::Process(own))?)
    }

    fn fetch(
        &mut self,
        client: ClientId,
        source: Process,
        ticket: u32,
        access: AccessMask,
    ) -> Result<(HandleId, AccessMask), Error> {
        taken(self.check(client, &Request::Fetch { ticket, access }, Came::Process(source))?)
    }

    fn end(&mut self, process: Process) {
        self.manager.process_gone(process.id, &mut self.effects);
        assert_eq!(self.manager.check(), Ok(()), "after the end of {process:?}");
    }
}

fn taken(reply: Reply) -> Result<(HandleId, AccessMask), Error> {
    match reply {
        Reply::Taken { kind: Kind::Fence, handle, granted, .. } => Ok((handle, granted.mask())),
        other => panic!("a fence's handle was asked and the answer is {other:?}"),
    }
}

fn unknown<T>(ticket: u32) -> Result<T, Error> {
    Err(Error::TicketUnknown { ticket })
}

fn denied<T>(uid: u32) -> Result<T, Error> {
    Err(Error::ProcessDenied { uid })
}

#[test]
fn a_ticket_is_redeemed_once_and_by_its_process_alone() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let made = desk.try_make(maker, FENCE, None, AccessMask::FENCE_WAIT).unwrap();
    desk.done();
    let (target, stranger) = (process(1, 1000), process(2, 1000));
    let ticket = desk.deliver(maker, made.handle, target);
    assert_eq!(ticket & 0xE000_0003, 0x2000_0000, "the form of a ticket");
    let kept = Effect::KeepProcess { process: target.id };
    assert!(desk.done().contains(&kept), "its end must be heard of");
    assert_eq!(desk.redeem(other, stranger, ticket), unknown(ticket), "another process");
    assert_eq!(desk.redeem(other, target, ticket + 4), unknown(ticket + 4), "a guess");
    assert_eq!(desk.redeem(other, target, made.opening.0), unknown(made.opening.0), "no ticket");
    let nobody = desk.ask(other, &Request::Redeem { ticket });
    assert_eq!(nobody, unknown(ticket), "a process to which nothing was delivered");
    let (handle, granted) = desk.redeem(other, target, ticket).unwrap();
    assert_ne!(handle, made.handle);
    assert_eq!(granted, AccessMask::FENCE_WAIT);
    assert_eq!(desk.redeem(other, target, ticket), unknown(ticket), "a second time");
}

#[test]
fn tickets_of_all_processes_differ_and_none_comes_again() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let mut seen = Vec::new();
    for round in 0..6 {
        let target = process(round % 3, 1000);
        let ticket = desk.deliver(client, made.handle, target);
        assert!(!seen.contains(&ticket), "{ticket:#x} came before");
        seen.push(ticket);
        desk.end(target);
    }
}

#[test]
fn what_waits_keeps_the_name_until_its_process_ends() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(maker, FENCE, "fence");
    let target = process(5, 1000);
    let ticket = desk.deliver(maker, made.handle, target);
    desk.close(made.handle);
    desk.die(maker);
    assert_eq!(desk.seen(other), ["fence"], "its maker is gone");
    desk.done();
    desk.end(target);
    assert_eq!(desk.objects(), 0);
    assert!(desk.done().contains(&Effect::DropProcess { process: target.id }));
    assert_eq!(desk.redeem(other, target, ticket), unknown(ticket), "of a process that has ended");
    desk.end(target);
    assert_eq!(desk.done(), [], "it was forgotten");
}

#[test]
fn what_was_redeemed_is_the_kernels_to_close() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let target = process(5, 1000);
    let ticket = desk.deliver(client, made.handle, target);
    let (handle, _) = desk.redeem(client, target, ticket).unwrap();
    desk.close(made.handle);
    desk.drop_opening(client, made.opening);
    desk.end(target);
    assert_eq!(desk.seen(client), ["fence"], "a copy may be in a child of it");
    desk.close(handle);
    assert_eq!(desk.objects(), 0);
}

#[test]
fn the_last_handle_that_was_delivered_takes_the_process_with_it() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let target = process(5, 1000);
    let tickets = [(); 2].map(|()| desk.deliver(client, made.handle, target));
    let handles = tickets.map(|ticket| desk.redeem(client, target, ticket).unwrap().0);
    desk.done();
    desk.close(handles[0]);
    let dropped = Effect::DropProcess { process: target.id };
    assert!(!desk.done().contains(&dropped), "the other is there");
    assert_eq!(desk.fetch(client, target, tickets[0], SAME), unknown(tickets[0]), "it is closed");
    desk.close(handles[1]);
    assert!(desk.done().contains(&dropped));
}

#[test]
fn handles_go_to_processes_of_the_same_user_and_from_the_system_to_all() {
    let mut desk = Desk::new();
    let (maker, stranger, system) = (desk.client(1000), desk.client(1001), desk.client(0));
    let made = desk.make(maker, FENCE, "fence");
    let (own, strange) = (process(1, 1000), process(2, 1001));
    assert_eq!(desk.try_deliver(maker, made.handle, strange, SAME), denied(1001));
    assert_eq!(desk.try_deliver(stranger, made.handle, own, SAME), denied(1000));
    let ticket = desk.deliver(system, made.handle, strange);
    assert_eq!(desk.fetch(maker, strange, ticket, SAME), denied(1001));
    assert!(desk.fetch(stranger, strange, ticket, SAME).is_ok());
    assert!(desk.fetch(system, strange, ticket, SAME).is_ok());
    desk.deliver(stranger, made.handle, strange);
}

#[test]
fn more_rights_are_checked_against_who_gets_them() {
    let mut desk = Desk::new();
    let (maker, system) = (desk.client(1000), desk.client(0));
    let wait = AccessMask::FENCE_WAIT;
    let made = desk.try_make(maker, FENCE, None, wait).unwrap();
    let (own, strange) = (process(1, 1000), process(2, 1001));
    let ticket = desk.try_deliver(maker, made.handle, own, ALL).unwrap();
    let all = AccessMask::from_bits_retain(0x1F_0003);
    assert_eq!(desk.redeem(maker, own, ticket).unwrap().1, all, "its owner's process");
    let refused = desk.try_deliver(system, made.handle, strange, ALL);
    let reason = Error::AccessDenied {
        wanted: ALL,
        granted: AccessMask::empty(),
        owner_uid: 1000,
        kind: Kind::Fence,
    };
    assert_eq!(refused, Err(reason), "the system may, who gets it may not");
    let same = desk.deliver(system, made.handle, strange);
    let stranger = desk.client(1001);
    assert_eq!(desk.fetch(stranger, strange, same, ALL), Err(reason), "who takes it out");
    assert_eq!(desk.fetch(system, strange, same, ALL).unwrap().1, all);
    assert_eq!(desk.fetch(stranger, strange, same, wait).unwrap().1, wait);
}

#[test]
fn a_handle_is_taken_out_before_and_after_it_was_redeemed() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let target = process(5, 1000);
    let ticket = desk.deliver(client, made.handle, target);
    let (before, _) = desk.fetch(client, target, ticket, SAME).unwrap();
    let (own, _) = desk.redeem(client, target, ticket).unwrap();
    let (after, _) = desk.fetch(client, target, ticket, SAME).unwrap();
    assert!(before != own && own != after && before != after);
    assert_eq!(desk.fetch(client, process(6, 1000), ticket, SAME), unknown(ticket));
    for handle in [made.handle, own, before] {
        desk.close(handle);
    }
    assert_eq!(desk.seen(client), ["fence"], "all are of one share");
}

#[test]
fn a_process_that_does_not_ask_for_what_it_is_given_gets_no_more() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let target = process(5, 1000);
    let mut made = desk.try_make(client, FENCE, None, ALL).unwrap();
    let mut tickets = Vec::new();
    for place in 0..limits::TICKETS_PER_PROCESS_MAX {
        if place % (limits::HANDLES_PER_SHARE_MAX - 1) == 0 {
            made = desk.try_make(client, FENCE, None, ALL).unwrap();
        }
        // Not through `check`, which is too slow for so many.
        let came = Came::HandleAndProcess(made.handle, target);
        let caller = Caller { client, time_ns: 0, came };
        let deliver = Request::Deliver { access: SAME };
        match desk.manager.apply(&caller, &deliver, &mut desk.effects) {
            Ok(Reply::Delivered { ticket }) => tickets.push(ticket),
            refused => panic!("delivery {place} is answered with {refused:?}"),
        }
    }
    let fresh = desk.try_make(client, FENCE, None, ALL).unwrap();
    let full = capped(Cap::Tickets, limits::TICKETS_PER_PROCESS_MAX);
    assert_eq!(desk.try_deliver(client, fresh.handle, target, SAME), Err(full));
    desk.deliver(client, fresh.handle, process(6, 1000));
    desk.redeem(client, target, tickets[7]).unwrap();
    desk.deliver(client, fresh.handle, target);
}

#[test]
fn what_has_to_come_is_told_apart() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let deliver = Request::Deliver { access: SAME };
    let without = desk.check(client, &deliver, Came::Handle(made.handle));
    assert_eq!(without, Err(Error::ProcessUnknown), "no process, or one that has ended");
    assert_eq!(desk.ask(client, &deliver), Err(Error::HandleUnknown));
    let closed = Came::HandleAndProcess(HandleId(99), process(1, 1000));
    assert_eq!(desk.check(client, &deliver, closed), Err(Error::HandleUnknown));
    let fetch = Request::Fetch { ticket: 0x2000_0000, access: SAME };
    assert_eq!(desk.ask(client, &fetch), Err(Error::ProcessUnknown));
    let stray = desk.check(client, &Request::QueryPresented, Came::Process(process(1, 1000)));
    assert_eq!(stray, Err(Error::HandleUnknown));
}

#[test]
fn the_handles_of_a_name_say_which_processes_to_ask_after() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let ticket = desk.deliver(client, made.handle, process(5, 1000));
    let open =
        Request::Open { kind: Kind::Fence, name: RawName::from("fence"), access: ALL, known: None };
    let concerned = desk.manager.concerned(client, &open, Came::Nothing);
    assert_eq!(concerned.processes, [ProcessId(5)]);
    let fetch = |ticket| Request::Fetch { ticket, access: SAME };
    let of_ticket = |ticket| desk.manager.concerned(client, &fetch(ticket), Came::Nothing);
    assert_eq!(of_ticket(ticket), concerned);
    let nothing = Concerned::default();
    assert_eq!((of_ticket(ticket + 4), of_ticket(7)), (nothing.clone(), nothing));
    let came = Came::HandleAndProcess(made.handle, process(5, 1000));
    let deliver = Request::Deliver { access: SAME };
    assert_eq!(desk.manager.concerned(client, &deliver, came), concerned);
}
