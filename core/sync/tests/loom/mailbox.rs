//! A client that asks and posts, a broker that listens: nothing said is left lying while the one
//! who should hear it sleeps.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use handfast_sync::mailbox::{
    AnswerEnd, AnsweredWhere, AskEnd, Heard, MAILBOX_WORDS, NoteEnd, ends,
};
use handfast_sync::{AtomicU32, Park as _, Watched};

use crate::model::{Futex, Words};

/// Asked, sleeping, posted; answered, listening for requests, for notes, heard.
const CONTENDED: [usize; 7] = [16, 18, 19, 32, 35, 36, 37];

struct Mailbox {
    park: Arc<Futex>,
    /// How often it rang.
    bell: Arc<AtomicU32>,
    memory: Words,
}

impl Mailbox {
    fn new() -> (Self, AnswerEnd<Words>) {
        let word = |place| match CONTENDED.contains(&place) {
            true => AtomicU32::contended(0),
            false => AtomicU32::untracked(0),
        };
        let memory: Words = (0..MAILBOX_WORDS).map(word).collect();
        let end = AnswerEnd::format(Arc::clone(&memory)).unwrap();
        let (park, bell) = (Arc::new(Futex::new()), Arc::new(AtomicU32::contended(0)));
        (Self { park, bell, memory }, end)
    }

    fn ends(&self) -> (Asker, Poster) {
        let (ask, notes) = ends(Arc::clone(&self.memory)).unwrap();
        let bell = Bell { park: Arc::clone(&self.park), word: Arc::clone(&self.bell) };
        (Asker { end: ask, bell: bell.clone() }, Poster { end: notes, bell })
    }
}

#[derive(Clone)]
struct Bell {
    park: Arc<Futex>,
    word: Arc<AtomicU32>,
}

impl Bell {
    fn ring(&self) {
        self.word.fetch_add(1, Ordering::SeqCst);
        self.park.wake_all((&*self.word).into());
    }
}

struct Asker {
    end: AskEnd<Words>,
    bell: Bell,
}

impl Asker {
    fn call(&mut self, question: &[u8]) -> Vec<u8> {
        self.end.ask(question, || self.bell.ring()).unwrap();
        loop {
            match self.end.wait(&self.bell.park, None) {
                Some(AnsweredWhere::Here { bytes }) => {
                    let mut answer = Vec::new();
                    self.end.read(bytes, &mut answer);
                    assert!(self.end.was_heard());
                    return answer;
                }
                Some(AnsweredWhere::Elsewhere) => return Vec::new(),
                None => {}
            }
        }
    }
}

struct Poster {
    end: NoteEnd<Words>,
    bell: Bell,
}

impl Poster {
    fn post(&mut self, note: u64) {
        self.end.post(note, || self.bell.ring()).unwrap();
    }
}

/// Serves until it has heard so many requests and notes; which, in their order.
fn serve(
    (mailbox, mut end): (Mailbox, AnswerEnd<Words>),
    requests: usize,
    notes: usize,
) -> (Vec<u8>, Vec<u64>) {
    let (mut asked, mut posted) = (Vec::new(), Vec::new());
    let mut rung = 0;
    while asked.len() < requests || posted.len() < notes {
        let rings = mailbox.bell.load(Ordering::SeqCst);
        if rings == rung {
            let watched = Watched { word: (&*mailbox.bell).into(), expected: rung };
            mailbox.park.wait(&[watched], None);
            continue;
        }
        rung = rings;
        end.listen();
        let mut request = Vec::new();
        if end.hear(&mut posted, &mut request).unwrap() == Heard::Nothing {
            end.listen_for_notes();
            end.take_notes(&mut posted).unwrap();
        } else {
            // What was posted before it was asked is known when it is answered.
            asked.push(request[0]);
            let known = u8::try_from(posted.len()).unwrap();
            match request[0] {
                b'?' => end.point_elsewhere(&mailbox.park),
                other => end.answer(&[other, known], &mailbox.park).unwrap(),
            }
            // A moment later.
            end.take_notes(&mut posted).unwrap();
            end.listen_for_notes();
            end.take_notes(&mut posted).unwrap();
        }
    }
    (asked, posted)
}

fn model(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    if model.preemption_bound.is_none() {
        model.preemption_bound = Some(preemptions);
    }
    model.check(check);
}

#[test]
fn a_note_before_a_request_is_known_to_its_answer_and_one_after_it_is_heard() {
    model(3, || {
        let mailbox = Mailbox::new();
        let (mut asker, mut poster) = mailbox.0.ends();
        let client = loom::thread::spawn(move || {
            // The first one rings for the second and the request, too.
            poster.post(1);
            poster.post(2);
            let answer = asker.call(b"a");
            poster.post(u64::MAX);
            answer
        });
        assert_eq!(serve(mailbox, 1, 3), (b"a".to_vec(), vec![1, 2, u64::MAX]));
        assert_eq!(client.join().unwrap(), b"a\x02");
    });
}

#[test]
fn each_request_has_its_own_answer() {
    model(3, || {
        let mailbox = Mailbox::new();
        let (mut asker, _poster) = mailbox.0.ends();
        let client = loom::thread::spawn(move || (asker.call(b"?"), asker.call(b"b")));
        assert_eq!(serve(mailbox, 2, 0).0, b"?b");
        assert_eq!(client.join().unwrap(), (vec![], b"b\x00".to_vec()));
    });
}

#[test]
fn who_posts_while_another_thread_asks_is_heard() {
    model(2, || {
        let mailbox = Mailbox::new();
        let (mut asker, mut poster) = mailbox.0.ends();
        let posts = loom::thread::spawn(move || poster.post(5));
        let asks = loom::thread::spawn(move || asker.call(b"c"));
        assert_eq!(serve(mailbox, 1, 1), (b"c".to_vec(), vec![5]));
        posts.join().unwrap();
        assert_eq!(asks.join().unwrap()[0], b'c');
    });
}
