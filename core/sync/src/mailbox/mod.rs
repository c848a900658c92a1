//! A second door to the broker: memory that it shares with one client.
//!
//! The client writes a request and rings a bell, the broker copies it, answers in the same memory
//! and wakes the client: no packet, and no copy in the kernel. Beside it lies a ring of *notes*,
//! what the client drops, which nobody answers.
//!
//! There are three ends. A client has one [`AskEnd`], for one request at a time, and one
//! [`NoteEnd`], for whoever drops something meanwhile; the broker has the [`AnswerEnd`].
//!
//! # Protocol
//!
//! *No bell without a listener.* The broker counts how often it began to listen. The client writes
//! what it has to say, passes a full fence and looks at that count; if it has not rung since, it
//! rings. The broker counts up, passes a full fence and looks once more for what was said. So one
//! of them sees the other. Requests and notes have a count each: a broker that was asked something
//! looks for notes by itself a moment later, and needs no bell for them until then.
//!
//! *No wake without a sleeper*, likewise: the client writes which request it sleeps for, passes a
//! full fence and looks for the answer; the broker writes the answer, passes a full fence and looks
//! whether that request is slept for.
//!
//! *Notes come before requests that came after them.* Whoever reads "asked" sees every note that
//! was posted before.
//!
//! *What was not heard was not done.* The broker says that it has taken a request in before it acts
//! on it. A client whose broker died before that may ask another one.
//!
//! # Trust
//!
//! The broker copies before it looks at anything and keeps its own counts; a client that writes
//! nonsense gets a [`Misuse`], once. The client believes the broker what it must, its memory is
//! safe whatever is written.

mod answer;
mod ask;
mod layout;

pub use answer::{AnswerEnd, Heard, Misuse, NoRoom, Unanswered};
pub use ask::{AnsweredWhere, AskEnd, NoteEnd, Refused, ends};
pub use layout::{ANSWER_BYTES_MAX, MAILBOX_BYTES, MAILBOX_WORDS, NOTES_MAX, REQUEST_BYTES_MAX};
