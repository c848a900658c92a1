//! Names: parsed once, compared unit by unit, never a path.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::contract::limits::NAME_UNITS_MAX;
use crate::security::Token;

use super::error::Error;

/// A name as a client sent it: counted UTF-16, unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RawName(pub Vec<u16>);

impl From<&str> for RawName {
    fn from(text: &str) -> Self {
        // Of most names it is known how long they become.
        if text.is_ascii() {
            return Self(text.bytes().map(u16::from).collect());
        }
        Self(text.encode_utf16().collect())
    }
}

/// Which directory a name lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Directory {
    /// `Global\`: one for the whole broker.
    Global,
    /// `Local\`, and every name without prefix: one per user id.
    Local {
        /// The user id.
        uid: u32,
    },
}

/// A checked name. Having one proves: 1 to 260 UTF-16 units with its prefix, no backslash behind
/// the prefix, not in the reserved `Session\` directory. NUL and unpaired surrogates are
/// ordinary units.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    directory: Directory,
    leaf: Box<[u16]>,
}

/// An [`ObjectName`] that is only looked up: its units are somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameRef<'a> {
    directory: Directory,
    leaf: &'a [u16],
}

const BACKSLASH: u16 = b'\\' as u16;
const GLOBAL: &str = "Global\\";
const LOCAL: &str = "Local\\";
const SESSION: &str = "Session\\";

/// What is left of `units` behind `prefix`, compared with case as Windows does.
fn behind<'a>(units: &'a [u16], prefix: &str) -> Option<&'a [u16]> {
    let mut rest = units;
    for unit in prefix.encode_utf16() {
        match rest.split_first() {
            Some((first, tail)) if *first == unit => rest = tail,
            _ => return None,
        }
    }
    Some(rest)
}

impl ObjectName {
    /// Checks `raw` by the rules of the sharing calls and resolves its prefix for `caller`.
    ///
    /// # Errors
    ///
    /// [`Error::NameEmpty`], [`Error::NameTooLong`], [`Error::NameReserved`],
    /// [`Error::NameBackslash`]: all `DXGI_ERROR_INVALID_CALL`.
    pub fn parse(raw: &RawName, caller: &Token) -> Result<Self, Error> {
        NameRef::parse(raw, caller).map(NameRef::to_name)
    }

    /// Puts a name together that was parsed before (a snapshot, a listing).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], so that a damaged snapshot cannot make a name that parsing refuses.
    pub fn from_parts(directory: Directory, leaf: &[u16]) -> Result<Self, Error> {
        if leaf.is_empty() {
            return Err(Error::NameEmpty);
        }
        let units = match directory {
            Directory::Global => GLOBAL.len() + leaf.len(),
            Directory::Local { .. } => leaf.len(),
        };
        if units > NAME_UNITS_MAX {
            return Err(Error::NameTooLong { units, limit: NAME_UNITS_MAX });
        }
        if let Some(position) = leaf.iter().position(|unit| *unit == BACKSLASH) {
            return Err(Error::NameBackslash { position });
        }
        Ok(Self { directory, leaf: leaf.into() })
    }

    /// It, to look it up.
    pub(crate) fn as_ref(&self) -> NameRef<'_> {
        NameRef { directory: self.directory, leaf: &self.leaf }
    }

    /// The directory.
    #[must_use]
    pub const fn directory(&self) -> Directory {
        self.directory
    }

    /// The units behind the prefix.
    #[must_use]
    pub fn leaf(&self) -> &[u16] {
        &self.leaf
    }

    /// Whether a client with this token sees the name in a listing.
    #[must_use]
    pub fn visible_to(&self, caller: &Token) -> bool {
        match self.directory {
            Directory::Global => true,
            Directory::Local { uid } => uid == caller.uid,
        }
    }

    /// The name as a user types it: `Global\` in front where it belongs there.
    #[must_use]
    pub fn to_units(&self) -> Vec<u16> {
        let mut units = match self.directory {
            Directory::Global => GLOBAL.encode_utf16().collect::<Vec<u16>>(),
            Directory::Local { .. } => Vec::new(),
        };
        units.extend_from_slice(&self.leaf);
        units
    }
}

impl<'a> NameRef<'a> {
    /// As [`ObjectName::parse`].
    pub(crate) fn parse(raw: &'a RawName, caller: &Token) -> Result<Self, Error> {
        let units = raw.0.as_slice();
        if units.len() > NAME_UNITS_MAX {
            return Err(Error::NameTooLong { units: units.len(), limit: NAME_UNITS_MAX });
        }
        if behind(units, SESSION).is_some() {
            return Err(Error::NameReserved);
        }
        let (directory, leaf) = if let Some(leaf) = behind(units, GLOBAL) {
            (Directory::Global, leaf)
        } else {
            let leaf = behind(units, LOCAL).unwrap_or(units);
            (Directory::Local { uid: caller.uid }, leaf)
        };
        if leaf.is_empty() {
            return Err(Error::NameEmpty);
        }
        if let Some(position) = leaf.iter().position(|unit| *unit == BACKSLASH) {
            let position = position + (units.len() - leaf.len());
            return Err(Error::NameBackslash { position });
        }
        Ok(Self { directory, leaf })
    }

    /// The name itself.
    pub(crate) fn to_name(self) -> ObjectName {
        ObjectName { directory: self.directory, leaf: self.leaf.into() }
    }

    /// A number that is never 0 and seldom another name's.
    pub(crate) fn hash(self) -> u32 {
        let (quads, rest) = self.leaf.as_chunks::<4>();
        let mut hash = match self.directory {
            Directory::Global => u64::MAX,
            Directory::Local { uid } => uid.into(),
        };
        for quad in quads {
            hash = mixed(hash, quad);
        }
        // The length tells a name from one that is longer by zeros.
        let mut last = [u16::try_from(self.leaf.len()).unwrap_or(u16::MAX); 4];
        last.iter_mut().zip(rest).for_each(|(unit, rest)| *unit = *rest);
        hash = mixed(hash, &last);
        hash ^= hash >> 32;
        let high = hash.wrapping_mul(MIXER) >> 32;
        u32::try_from(high).unwrap_or_default().max(1)
    }
}

/// 2^64 divided by the golden ratio.
const MIXER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A hash with four more units in it.
fn mixed(hash: u64, quad: &[u16; 4]) -> u64 {
    let [a, b, c, d] = quad.map(u64::from);
    let units = a | b << 16 | c << 32 | d << 48;
    (hash.rotate_left(29) ^ units).wrapping_mul(MIXER)
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.to_units()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const VJ: Token = Token { uid: 1000, gid: 1000 };

    fn parse(text: &str) -> Result<ObjectName, Error> {
        ObjectName::parse(&RawName::from(text), &VJ)
    }

    #[test]
    fn prefixes_choose_the_directory() {
        let global = parse("Global\\cam").unwrap();
        assert_eq!(global.directory(), Directory::Global);
        assert_eq!(global.to_units(), RawName::from("Global\\cam").0);
        assert_eq!(parse("Local\\cam"), parse("cam"));
        assert_eq!(parse("cam").unwrap().directory(), Directory::Local { uid: 1000 });
        assert_ne!(parse("Cam"), parse("cam"));
    }

    #[test]
    fn the_prefix_is_matched_with_case() {
        assert_eq!(parse("global\\cam"), Err(Error::NameBackslash { position: 6 }));
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(parse(""), Err(Error::NameEmpty));
        assert_eq!(parse("Global\\"), Err(Error::NameEmpty));
        assert_eq!(parse("Local\\"), Err(Error::NameEmpty));
        assert_eq!(parse("Session\\1\\x"), Err(Error::NameReserved));
        assert_eq!(parse("Local\\a\\b"), Err(Error::NameBackslash { position: 7 }));
        assert_eq!(parse("a\\"), Err(Error::NameBackslash { position: 1 }));
    }

    #[test]
    fn the_limit_counts_the_prefix_and_utf16_units() {
        let longest = "x".repeat(260);
        assert!(parse(&longest).is_ok());
        let longer = "x".repeat(261);
        assert_eq!(parse(&longer), Err(Error::NameTooLong { units: 261, limit: 260 }));
        assert!(parse(&["Global\\", &"x".repeat(253)].concat()).is_ok());
        assert!(parse(&["Global\\", &"x".repeat(254)].concat()).is_err());
        assert!(parse(&"\u{1F3A5}".repeat(130)).is_ok());
        assert!(parse(&"\u{1F3A5}".repeat(131)).is_err());
    }

    #[test]
    fn any_other_unit_is_allowed() {
        for text in ["a/b", "..", " ", "\u{1}", "\u{FFFF}", "a\0b", "\u{202E}x", "\"'\n"] {
            assert!(parse(text).is_ok(), "{text:?}");
        }
        let lone = RawName(alloc::vec![0xD800]);
        assert_eq!(ObjectName::parse(&lone, &VJ).unwrap().leaf(), &[0xD800]);
    }

    /// Names of one hash, as somebody would choose them who means harm: the second four units undo
    /// what the first four did.
    pub(crate) fn of_one_hash(number: u16) -> ObjectName {
        (0..u16::MAX)
            .find_map(|salt| {
                let first = [number, salt, 1, 1];
                let state = mixed(u64::MAX, &first).rotate_left(29);
                let second = [0, 16, 32, 48].map(|bits| u16::try_from(state >> bits & 0xFFFF));
                let leaf: Vec<u16> = first.into_iter().chain(second.map(Result::unwrap)).collect();
                ObjectName::from_parts(Directory::Global, &leaf).ok()
            })
            .unwrap()
    }

    #[test]
    fn hashes_tell_what_a_name_is_made_of() {
        let mut hashes = alloc::collections::BTreeSet::new();
        for text in ["a", "b", "ab", "ba", "a\0", "a\0\0\0\0", "abcd", "abce", "abcde", "abcdabcd"]
        {
            for prefix in ["", "Global\\"] {
                let raw = RawName::from([prefix, text].concat().as_str());
                assert!(hashes.insert(NameRef::parse(&raw, &VJ).unwrap().hash()), "{raw:?}");
            }
        }
        assert_eq!(of_one_hash(1).as_ref().hash(), of_one_hash(2).as_ref().hash());
        assert_ne!(of_one_hash(1), of_one_hash(2));
    }
}
