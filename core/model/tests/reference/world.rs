//! The model, its twin and the reference in lockstep, with everything compared after every step.

use handfast_model::object::{
    Attachment, Caller, Came, ClientId, Effect, Error, Event, HandleId, Manager, ProcessId, Reply,
    Request, Resources,
};
use handfast_model::security::Token;

use crate::facts::{Facts, Role, Told};
use crate::ledger::{Done, Ledger};
use crate::steps::Step;
use crate::tables;

const INSTANCE: u64 = 0x1122_3344_5566_7788;

pub(crate) struct World {
    manager: Manager,
    /// Gets the same and must answer the same.
    twin: Manager,
    facts: Facts,
    ledger: Ledger,
    steps: u64,
}

/// What was before a step, to compare with.
struct Before {
    snapshot: Vec<u8>,
    /// Who watches everything, and what each saw in its listing.
    watchers: Vec<(u64, u32, Reply)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            manager: Manager::new(INSTANCE),
            twin: Manager::new(INSTANCE),
            facts: Facts::new(INSTANCE),
            ledger: Ledger::default(),
            steps: 0,
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        self.steps += 1;
        match step {
            Step::Arrive { uid } => self.arrive(*uid),
            Step::Gone { client } => self.gone(client.of(&self.clients()).unwrap_or(0)),
            Step::HandlesGone { handles } => {
                let there: Vec<u64> = self.facts.handles.iter().map(|handle| handle.id).collect();
                let gone: Vec<u64> =
                    handles.iter().map(|pick| pick.of(&there).unwrap_or(999_999)).collect();
                self.handles_gone(&gone);
            }
            Step::ProcessGone { process } => self.process_gone(tables::process(*process).id.0),
            Step::Ask { client, ask, stray } => {
                let (client, request, came) = ask.resolve(&self.facts, *client);
                self.ask(client, &request, stray.unwrap_or(came));
            }
        }
    }

    /// Everybody goes and every handle is closed, in the order that `seed` gives.
    pub(crate) fn tear_down(&mut self, mut seed: u64) {
        loop {
            let clients = self.clients();
            let handles = self.facts.piped();
            let left = clients.len() + handles.len();
            if left == 0 {
                break;
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let pick = usize::try_from(seed >> 33).unwrap_or(0) % left;
            match clients.get(pick) {
                Some(client) => self.gone(*client),
                None => self.handles_gone(&handles[pick - clients.len()..][..1]),
            }
        }
        assert!(self.manager.is_idle(), "all have gone and it is not idle: {:?}", self.manager);
        let text = format!("{:?}", self.manager);
        assert!(text.contains("usage: {}"), "all have gone and usage is left: {text}");
        let left = (self.ledger.pages(), self.ledger.handles(), self.ledger.payloads());
        assert!(
            left.0.is_empty() && left.1.is_empty() && left.2.is_empty(),
            "all have gone and (pages, handles, memory) are left: {left:?}"
        );
    }

    fn clients(&self) -> Vec<u64> {
        self.facts.clients.iter().map(|client| client.id).collect()
    }

    fn arrive(&mut self, uid: u32) {
        let before = self.before();
        let pid = 100 + i32::try_from(self.steps).unwrap_or(0);
        let token = Token { uid, gid: 7 };
        let expected = self.facts.arrive(uid, pid);
        assert_eq!(self.manager.client_arrived(token, pid), Ok(ClientId(expected)));
        assert_eq!(self.twin.client_arrived(token, pid), Ok(ClientId(expected)));
        self.compare("client_arrived", &before, &[]);
    }

    fn gone(&mut self, client: u64) {
        let before = self.before();
        self.facts.gone(client);
        let (mut effects, mut twins) = (Vec::new(), Vec::new());
        self.manager.client_gone(ClientId(client), &mut effects);
        self.twin.client_gone(ClientId(client), &mut twins);
        assert_eq!(effects, twins, "client_gone({client}): the twin has other effects");
        self.compare(&format!("client_gone({client})"), &before, &effects);
    }

    fn handles_gone(&mut self, handles: &[u64]) {
        let before = self.before();
        self.facts.handles_gone(handles);
        let ids: Vec<HandleId> = handles.iter().copied().map(HandleId).collect();
        let (mut effects, mut twins) = (Vec::new(), Vec::new());
        self.manager.handles_gone(&ids, &mut effects);
        self.twin.handles_gone(&ids, &mut twins);
        assert_eq!(effects, twins, "handles_gone({handles:?}): the twin has other effects");
        self.compare(&format!("handles_gone({handles:?})"), &before, &effects);
    }

    fn process_gone(&mut self, process: u64) {
        let before = self.before();
        self.facts.process_gone(process);
        let (mut effects, mut twins) = (Vec::new(), Vec::new());
        self.manager.process_gone(ProcessId(process), &mut effects);
        self.twin.process_gone(ProcessId(process), &mut twins);
        assert_eq!(effects, twins, "process_gone({process}): the twin has other effects");
        self.compare(&format!("process_gone({process})"), &before, &effects);
    }

    fn ask(&mut self, client: u64, request: &Request, came: Came) {
        let what = format!("client {client}: {request:?} with {came:?}");
        let before = self.before();
        let predicted = self.facts.ask(client, request, came, self.steps);
        let caller = Caller { client: ClientId(client), time_ns: self.steps, came };
        // What is in the list already must stay as it is.
        let earlier = Effect::DropHandle { handle: HandleId(0) };
        let mut effects = vec![earlier.clone()];
        let mut twins = effects.clone();
        let ready = self.manager.resources(ClientId(client), request, came);
        let answer = self.manager.apply(&caller, request, &mut effects);
        let twin = self.twin.apply(&caller, request, &mut twins);
        assert_eq!(answer, twin, "{what}: the twin answers otherwise");
        assert_eq!(effects, twins, "{what}: the twin has other effects");
        assert_eq!(answer, predicted, "{what}: left the model, right the reference");
        assert_eq!(effects.remove(0), earlier, "{what}: touched earlier effects");
        if let Err(error) = answer {
            self.unchanged(&what, error, &before, &effects);
        }
        let done = self.compare(&what, &before, &effects);
        let used = &done.used;
        let enough = ready.pages >= used.pages && ready.stream_pages >= used.stream_pages;
        assert!(
            enough && ready.handles >= used.handles,
            "{what}: used {:?}, foreseen {ready:?}",
            done.used
        );
        let memory = usize::from(matches!(came, Came::Memory(_)));
        assert!(done.payloads <= memory, "{what}: keeps what never came");
        if let Ok(reply) = &predicted {
            let attachments = reply.attachments();
            self.views_are_foreseen(&what, request, &attachments, &ready);
            self.ledger.attach(&attachments, &self.clients());
        }
        self.sealed_are_mapped(&what);
    }

    fn before(&self) -> Before {
        let seen = |(client, watch)| (client, watch, self.listing(client));
        let watchers = self.facts.watchers_of_all().into_iter().map(seen).collect();
        Before { snapshot: self.manager.snapshot(), watchers }
    }

    fn listing(&self, client: u64) -> Reply {
        let caller = Caller { client: ClientId(client), time_ns: 0, came: Came::Nothing };
        let mut effects = Vec::new();
        let mut manager = self.manager.clone();
        let reply = manager.apply(&caller, &Request::List { after: 0 }, &mut effects);
        reply.expect("a client that is there can list")
    }

    fn unchanged(&self, what: &str, error: Error, before: &Before, effects: &[Effect]) {
        assert_eq!(effects, [], "{what}: refused ({error}) and has effects");
        let same = self.manager.snapshot() == before.snapshot;
        assert!(same, "{what}: refused ({error}) and changed the state");
    }

    /// Performs the effects and compares everything with the reference.
    fn compare(&mut self, what: &str, before: &Before, effects: &[Effect]) -> Done {
        assert_eq!(self.manager.check(), Ok(()), "{what}: after it, {:?}", self.manager);
        let snapshot = self.manager.snapshot();
        assert!(self.twin.snapshot() == snapshot, "{what}: the twin's snapshot differs");
        let restored = Manager::restore(&snapshot);
        assert_eq!(restored.as_ref(), Ok(&self.manager), "{what}: the snapshot is not the state");
        let counts = (self.facts.clients.len(), self.facts.objects().len());
        assert_eq!(self.manager.counts(), counts, "{what}: (clients, objects)");

        let done = self.ledger.perform(effects);
        let Told { events, bumps, words } = self.facts.take_told();
        assert_eq!(done.events, events, "{what}: events, left the model's, right the reference's");
        assert_eq!(done.bumps, bumps, "{what}: senders told, left the model's");
        assert_eq!(done.words, words, "{what}: seats and readers, left the model's");
        for (client, event) in &events {
            assert!(self.clients().contains(client), "{what}: {event:?} to {client}, who is gone");
        }
        self.watchers_know(what, before, &events);
        self.names(what);

        let handles = self.facts.piped();
        assert_eq!(self.ledger.handles(), handles, "{what}: handles, left as effects made them");
        let payloads = self.facts.payloads();
        assert_eq!(self.ledger.payloads(), payloads, "{what}: memory, left as effects kept it");
        let processes = self.facts.processes();
        assert_eq!(self.ledger.processes(), processes, "{what}: processes, left as effects kept");
        let pages: Vec<_> = self.facts.pages.iter().map(|p| (p.id, p.role.kind())).collect();
        let there: Vec<_> = self.ledger.pages().iter().map(|(id, p)| (*id, p.kind)).collect();
        assert_eq!(there, pages, "{what}: pages, left as effects made them");
        done
    }

    /// A page of an object that is no stream is given out to be read only where that was foreseen.
    fn views_are_foreseen(
        &self,
        what: &str,
        request: &Request,
        attachments: &[Attachment],
        ready: &Resources,
    ) {
        if !matches!(request, Request::Open { .. } | Request::OpenPresented { .. }) {
            return;
        }
        for attachment in attachments {
            let Attachment::ReadOnlyPage(page) = attachment else { continue };
            let made = self
                .facts
                .pages
                .iter()
                .any(|known| known.id == page.0 && matches!(known.role, Role::Words(_)));
            assert!(!made || ready.view == Some(*page), "{what}: {ready:?} does not foresee it");
        }
    }

    /// Whoever watches everything hears of any change in its listing.
    fn watchers_know(&self, what: &str, before: &Before, events: &[(u64, Event)]) {
        for (client, watch, listing) in &before.watchers {
            if !self.clients().contains(client) {
                continue;
            }
            let told = events.contains(&(*client, Event::Changed { watch: *watch }));
            let same = self.listing(*client) == *listing;
            assert!(told || same, "{what}: client {client} is not told that its listing changed");
        }
    }

    /// Every user sees the names that the reference has, and no others.
    fn names(&self, what: &str) {
        for client in &self.facts.clients {
            let entries = self.facts.listing(client.uid, 0);
            let predicted = Reply::Listing { entries, more: false };
            assert_eq!(self.listing(client.id), predicted, "{what}: what client {client:?} sees");
        }
    }

    /// A page is sealed from its writer's word on, and says how its sender went.
    fn sealed_are_mapped(&self, what: &str) {
        let facts = self.facts.pages.iter();
        let sealed: Vec<(u64, bool)> = facts.map(|page| (page.id, page.mapped)).collect();
        let pages = self.ledger.pages();
        let there: Vec<(u64, bool)> = pages.iter().map(|(id, page)| (*id, page.sealed)).collect();
        assert_eq!(there, sealed, "{what}: (page, sealed), left as effects made them");
        let facts = self.facts.pages.iter().filter(|page| page.role == Role::Sender);
        let told: Vec<_> = facts.map(|page| (page.id, self.facts.end_of(page))).collect();
        let ends = pages.iter().filter(|(id, _)| told.iter().any(|(told, _)| told == id));
        let ends: Vec<_> = ends.map(|(id, page)| (*id, page.end)).collect();
        assert_eq!(ends, told, "{what}: how the senders went, left as the pages say");
    }
}
