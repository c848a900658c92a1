//! The broker's refusals in words.

use std::fmt;

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{self, Kind};
use handfast_sys::process;

/// A model's refusal with what only the client knows: the name, and who holds it.
pub(crate) struct Refusal<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) error: &'a object::Error,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use object::Error as E;
        if let (Some(name), E::NameTaken { pid, uid, .. }) = (self.name, self.error) {
            return taken(f, name, *pid, *uid);
        }
        if let Some(name) = self.name.filter(|name| !name.is_empty()) {
            write!(f, "{name}: ")?;
        }
        if let E::AccessDenied { wanted, granted, owner_uid, kind } = *self.error {
            return Denial { wanted, granted, kind, owner_uid: Some(owner_uid) }.fmt(f);
        }
        if let E::KindMismatch { wanted, found } = *self.error {
            write!(f, "it is {}, not {}", with_article(found), with_article(wanted))?;
            return match self.name {
                Some(name) => write!(f, "; who holds it:  handfast show {}", Typed(name)),
                None => Ok(()),
            };
        }
        write!(f, "{}", self.error)?;
        if *self.error == E::NameNotFound {
            f.write_str("; what there is:  handfast ls")?;
        }
        Ok(())
    }
}

fn taken(f: &mut fmt::Formatter<'_>, name: &str, pid: i32, uid: u32) -> fmt::Result {
    let Some(program) = process::program_name(pid) else {
        return write!(
            f,
            "the name {name} is taken: process {pid} has ended, but another still holds its \
             handle. Choose another name, or stop that process (handfast show {}).",
            Typed(name)
        );
    };
    write!(f, "the name {name} is taken by {program}[{pid}]")?;
    if uid != process::uid() {
        write!(f, " of user {uid}")?;
    }
    write!(f, ". Choose another, or stop it.")
}

fn with_article(kind: Kind) -> String {
    format!("{} {kind}", if kind == Kind::Event { "an" } else { "a" })
}

/// A word of a command to type, quoted where a shell would take it apart.
struct Typed<'a>(&'a str);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%=".contains(c);
        if self.0.chars().all(is_plain) && !self.0.is_empty() && !self.0.starts_with('-') {
            return f.write_str(self.0);
        }
        write!(f, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

/// `1 byte`, `2 bytes`.
pub(crate) struct Counted<N>(pub(crate) N, pub(crate) &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == N::from(1) { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

/// `you may not read it (asked STREAM_RECEIVE, granted nothing)`.
pub(crate) struct Denial {
    pub(crate) wanted: AccessMask,
    pub(crate) granted: AccessMask,
    pub(crate) kind: Kind,
    /// Whose the object is, if the broker said so.
    pub(crate) owner_uid: Option<u32>,
}

/// What nobody may do who lacks one of these rights.
const fn verbs(kind: Kind) -> &'static [(AccessMask, &'static str)] {
    match kind {
        Kind::Stream => &[
            (AccessMask::STREAM_SEND, "send it"),
            (AccessMask::STREAM_RECEIVE, "read it"),
            (AccessMask::STREAM_QUERY, "look at it"),
        ],
        Kind::Surface => {
            &[(AccessMask::SURFACE_WRITE, "write it"), (AccessMask::READ_CONTROL, "read it")]
        }
        Kind::Fence => &[
            (AccessMask::FENCE_SIGNAL, "signal it"),
            (AccessMask::FENCE_WAIT, "wait for it"),
            (AccessMask::SYNCHRONIZE, "wait for it"),
            (AccessMask::READ_CONTROL, "look at it"),
        ],
        Kind::Event => &[
            (AccessMask::EVENT_MODIFY, "set it"),
            (AccessMask::SYNCHRONIZE, "wait for it"),
            (AccessMask::EVENT_QUERY, "look at it"),
        ],
        Kind::Section => &[
            (AccessMask::SECTION_MAP_WRITE, "write it"),
            (AccessMask::SECTION_MAP_READ, "read it"),
            (AccessMask::SECTION_QUERY, "look at it"),
        ],
    }
}

/// The right that only the maker has of what has one writer.
const fn makers_right(kind: Kind) -> AccessMask {
    match kind {
        Kind::Surface => AccessMask::SURFACE_WRITE,
        Kind::Section => AccessMask::SECTION_MAP_WRITE,
        Kind::Stream | Kind::Fence | Kind::Event => AccessMask::empty(),
    }
}

impl Denial {
    /// Whether everything was granted that there is but the maker's own right: what an owner gets
    /// of an object with one writer.
    fn is_makers_alone(&self, missing: AccessMask) -> bool {
        let (own, all) = (makers_right(self.kind), self.kind.rules().mapping.all);
        missing.intersects(own) && self.granted == all.difference(own)
    }

    /// Whether a surface would have been opened that may not be read.
    fn is_unreadable(&self) -> bool {
        let is_surface = self.kind == Kind::Surface;
        is_surface && self.wanted == AccessMask::READ_CONTROL && !self.granted.is_empty()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wanted.is_empty() {
            return f.write_str("no right is asked for");
        }
        let rules = self.kind.rules();
        let wanted = rules.mapping.map(self.wanted);
        let unknown = wanted.difference(rules.valid | AccessMask::MAXIMUM_ALLOWED);
        if !unknown.is_empty() {
            let kind = with_article(self.kind);
            return write!(f, "0x{:X} is no right of {kind}", unknown.bits());
        }
        let missing = wanted.difference(self.granted);
        if self.is_makers_alone(missing) {
            return f.write_str(
                "only its maker can write it: make it with Writers::Several (in C: \
                 HF_WRITERS_SEVERAL)",
            );
        }
        let (asked, granted) = (Rights(wanted, self.kind), Rights(self.granted, self.kind));
        if self.is_unreadable() {
            return write!(
                f,
                "a surface is opened to be read: ask for GENERIC_READ too (asked {granted} alone)"
            );
        }
        let verb = verbs(self.kind).iter().find(|(right, _)| missing.intersects(*right));
        let verb = verb.map_or("do that with it", |(_, verb)| verb);
        write!(f, "you may not {verb} (asked {asked}, granted {granted})")?;
        match self.owner_uid.filter(|uid| *uid != process::uid()) {
            Some(uid) => write!(f, ": it belongs to user {uid}"),
            None => Ok(()),
        }
    }
}

/// Rights by their names.
struct Rights(AccessMask, Kind);

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &rights_by_name(self.0, self.1)[..] {
            [] => f.write_str("nothing"),
            names => f.write_str(&names.join(", ")),
        }
    }
}

/// The names of rights, the kind's own first; bits that nothing is called after as a number.
pub(crate) fn rights_by_name(rights: AccessMask, kind: Kind) -> Vec<String> {
    let of_kind = kind.rules().rights.iter().map(|(right, name)| (*name, *right));
    let known = of_kind.filter(|(_, right)| rights.contains(*right));
    let mut rest = rights;
    let mut names = Vec::new();
    for (name, right) in known.chain(rights.iter_names()) {
        names.push(name.to_owned());
        rest = rest.difference(right);
    }
    if !rest.is_empty() {
        names.push(format!("0x{:08X}", rest.bits()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// Another user than this one.
    fn other_uid() -> u32 {
        process::uid() ^ 1
    }

    fn refused(name: &str, error: object::Error) -> String {
        Error::refused(Some(name), error).to_string()
    }

    /// What a user is told to whom nothing of another's object is granted.
    fn check(kind: Kind, wanted: AccessMask, expected: &str) {
        let (granted, owner_uid) = (AccessMask::empty(), other_uid());
        let error = object::Error::AccessDenied { wanted, granted, owner_uid, kind };
        let expected = expected.replace("UID", &owner_uid.to_string());
        assert_eq!(refused("wall", error), expected);
    }

    /// What a user is told of an object of his own.
    fn check_own(kind: Kind, (wanted, granted): (AccessMask, AccessMask), expected: &str) {
        let owner_uid = process::uid();
        let error = object::Error::AccessDenied { wanted, granted, owner_uid, kind };
        assert_eq!(refused("wall", error), expected);
    }

    #[test]
    fn another_kind_is_called_by_its_name() {
        let error = object::Error::KindMismatch { wanted: Kind::Fence, found: Kind::Event };
        let told = Error::refused(Some("go"), error);
        assert_eq!(
            told.to_string(),
            "go: it is an event, not a fence; who holds it:  handfast show go"
        );
        assert_eq!(told.found_kind(), Some(Kind::Event));
        assert_eq!(Error::refused(None, error).to_string(), "it is an event, not a fence");
        let error = object::Error::KindMismatch { wanted: Kind::Event, found: Kind::Stream };
        let quoted = r"who holds it:  handfast show 'Global\it'\''s'";
        let told = format!(r"Global\it's: it is a stream, not an event; {quoted}");
        assert_eq!(refused(r"Global\it's", error), told);
    }

    #[test]
    fn a_name_that_is_missing_or_empty_is_told_with_what_there_is() {
        let missing = refused("cam", object::Error::NameNotFound);
        assert_eq!(missing, "cam: no object has this name; what there is:  handfast ls");
        assert_eq!(refused("", object::Error::NameEmpty), "the name is empty");
        let prefixed = refused(r"Local\", object::Error::NameEmpty);
        assert_eq!(prefixed, r"Local\: the name is empty");
    }

    #[test]
    fn what_is_counted_has_a_singular() {
        let words = [0, 1, 2].map(|count: u32| Counted(count, "byte").to_string());
        assert_eq!(words, ["0 bytes", "1 byte", "2 bytes"]);
    }

    #[test]
    fn a_denial_says_what_was_asked_and_whose_it_is() {
        check(
            Kind::Stream,
            AccessMask::STREAM_RECEIVE,
            "wall: you may not read it (asked STREAM_RECEIVE, granted nothing): it belongs to \
             user UID",
        );
        check(
            Kind::Stream,
            AccessMask::GENERIC_READ,
            "wall: you may not read it (asked STREAM_RECEIVE, STREAM_QUERY, READ_CONTROL, \
             granted nothing): it belongs to user UID",
        );
        check(
            Kind::Fence,
            AccessMask::READ_CONTROL,
            "wall: you may not look at it (asked READ_CONTROL, granted nothing): it belongs to \
             user UID",
        );
        check(
            Kind::Section,
            AccessMask::SECTION_MAP_READ,
            "wall: you may not read it (asked SECTION_MAP_READ, granted nothing): it belongs to \
             user UID",
        );
        // Nothing is told of who may write what belongs to others.
        check(
            Kind::Surface,
            AccessMask::SURFACE_WRITE,
            "wall: you may not write it (asked SURFACE_WRITE, granted nothing): it belongs to \
             user UID",
        );
        check(
            Kind::Surface,
            AccessMask::READ_CONTROL,
            "wall: you may not read it (asked READ_CONTROL, granted nothing): it belongs to \
             user UID",
        );
        check_own(
            Kind::Fence,
            (AccessMask::FENCE_SIGNAL, AccessMask::FENCE_WAIT),
            "wall: you may not signal it (asked FENCE_SIGNAL, granted FENCE_WAIT)",
        );
    }

    #[test]
    fn rights_that_there_are_not_are_told_as_such() {
        check(Kind::Surface, AccessMask::empty(), "wall: no right is asked for");
        let no_right = AccessMask::from_bits_retain(4);
        check(Kind::Surface, no_right, "wall: 0x4 is no right of a surface");
        let with_others = AccessMask::GENERIC_WRITE | AccessMask::from_bits_retain(8);
        check(Kind::Event, with_others, "wall: 0x8 is no right of an event");
    }

    #[test]
    fn what_only_the_maker_writes_is_told_with_what_to_do() {
        let told = "wall: only its maker can write it: make it with Writers::Several (in C: \
                    HF_WRITERS_SEVERAL)";
        for (kind, own) in [
            (Kind::Surface, AccessMask::SURFACE_WRITE),
            (Kind::Section, AccessMask::SECTION_MAP_WRITE),
        ] {
            let granted = kind.rules().mapping.all.difference(own);
            for wanted in [own, AccessMask::GENERIC_WRITE, AccessMask::GENERIC_ALL] {
                check_own(kind, (wanted, granted), told);
            }
        }
        // One that several can write, through an opening that may not.
        check_own(
            Kind::Surface,
            (AccessMask::SURFACE_WRITE, AccessMask::READ_CONTROL),
            "wall: you may not write it (asked SURFACE_WRITE, granted READ_CONTROL)",
        );
        // Another right than the maker's.
        check_own(
            Kind::Surface,
            (AccessMask::SYNCHRONIZE, AccessMask::STANDARD_REQUIRED),
            "wall: you may not do that with it (asked SYNCHRONIZE, granted DELETE, \
             READ_CONTROL, WRITE_DAC, WRITE_OWNER)",
        );
    }

    #[test]
    fn a_surface_that_could_not_be_read_is_told_with_what_to_ask() {
        for (asked, name) in [
            (AccessMask::SURFACE_WRITE, "SURFACE_WRITE"),
            (AccessMask::DELETE, "DELETE"),
            (AccessMask::WRITE_DAC, "WRITE_DAC"),
        ] {
            let read = "a surface is opened to be read: ask for GENERIC_READ too";
            let told = format!("wall: {read} (asked {name} alone)");
            check_own(Kind::Surface, (AccessMask::READ_CONTROL, asked), &told);
        }
        check_own(
            Kind::Surface,
            (AccessMask::SURFACE_WRITE, AccessMask::DELETE),
            "wall: you may not write it (asked SURFACE_WRITE, granted DELETE)",
        );
    }
}
