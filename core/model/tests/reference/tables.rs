//! What the names and access masks of the random sequences mean, written down by hand.

use handfast_model::object::{Directory, Error, ObjectName, Process, ProcessId, RawName};
use handfast_model::security::Token;

/// Every user of the sequences; the first is the system.
pub(crate) const UIDS: [u32; 3] = [0, 1000, 1001];

pub(crate) const RECEIVE: u32 = 1;
pub(crate) const SEND: u32 = 2;
pub(crate) const QUERY: u32 = 4;

/// A process that handles are delivered to, one of six; two are of each user.
pub(crate) fn process(number: u8) -> Process {
    let uid = UIDS[usize::from(number) % UIDS.len()];
    Process { id: ProcessId(u64::from(number % 6) + 1), token: Token { uid, gid: 7 } }
}

/// A name as it lies in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The user whose `Local\` it is in; none for `Global\`.
    pub uid: Option<u32>,
    pub leaf: &'static str,
}

impl Name {
    pub(crate) fn to_object_name(self) -> ObjectName {
        let directory = self.uid.map_or(Directory::Global, |uid| Directory::Local { uid });
        let leaf: Vec<u16> = self.leaf.encode_utf16().collect();
        ObjectName::from_parts(directory, &leaf).expect("the table's leaves are valid")
    }

    pub(crate) fn visible_to(self, uid: u32) -> bool {
        self.uid.is_none_or(|owner| owner == uid)
    }
}

enum Place {
    Local(&'static str),
    Global(&'static str),
    Refused(Error),
}

/// The names that the sequences use: the first ones are valid and collide.
pub(crate) const NAMES: [&str; 13] = [
    "cam",
    "Local\\cam",
    "Global\\cam",
    "Global\\stage",
    "Cam",
    "",
    "Global\\",
    "Local\\",
    "Session\\1\\cam",
    "a\\b",
    "Local\\a\\b",
    "global\\cam",
    TOO_LONG,
];
/// How many of [`NAMES`] are valid.
pub(crate) const NAMES_VALID: usize = 5;

/// 261 units.
const TOO_LONG: &str = concat!(
    "Global\\",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN",
    "wxyz"
);

fn place(raw: &RawName) -> Place {
    let text = String::from_utf16(&raw.0).expect("the sequences' names are text");
    match text.as_str() {
        "cam" | "Local\\cam" => Place::Local("cam"),
        "Cam" => Place::Local("Cam"),
        "Global\\cam" => Place::Global("cam"),
        "Global\\stage" => Place::Global("stage"),
        "" | "Global\\" | "Local\\" => Place::Refused(Error::NameEmpty),
        "Session\\1\\cam" => Place::Refused(Error::NameReserved),
        "a\\b" => Place::Refused(Error::NameBackslash { position: 1 }),
        "Local\\a\\b" => Place::Refused(Error::NameBackslash { position: 7 }),
        "global\\cam" => Place::Refused(Error::NameBackslash { position: 6 }),
        TOO_LONG => Place::Refused(Error::NameTooLong { units: 261, limit: 260 }),
        other => panic!("the name {other:?} is not in the table"),
    }
}

/// The name that `raw` is for a user.
pub(crate) fn resolve(raw: &RawName, uid: u32) -> Result<Name, Error> {
    match place(raw) {
        Place::Local(leaf) => Ok(Name { uid: Some(uid), leaf }),
        Place::Global(leaf) => Ok(Name { uid: None, leaf }),
        Place::Refused(error) => Err(error),
    }
}

/// Masks that the sequences ask for; the first ones allow the most.
pub(crate) const MASKS: [u32; 19] = [
    0x1000_0000,
    0x0200_0000,
    0x8000_0000,
    0x4000_0000,
    0x2000_0000,
    0x0000_0001,
    0x0000_0002,
    0x0000_0004,
    0x0200_0001,
    0x0200_0002,
    0x0002_0000,
    0x0002_0001,
    0x0010_0000,
    0x0012_0002,
    0x0000_0000,
    0x0000_8000,
    0x0200_8000,
    0x0100_0001,
    0x0210_0000,
];
/// Bits that random masks are made of.
pub(crate) const BITS: [u32; 18] = [
    0x0000_0001,
    0x0000_0002,
    0x0000_0004,
    0x0000_0008,
    0x0000_0010,
    0x0000_8000,
    0x0001_0000,
    0x0002_0000,
    0x0004_0000,
    0x0008_0000,
    0x0010_0000,
    0x0100_0000,
    0x0200_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
    0x8000_0000,
];
