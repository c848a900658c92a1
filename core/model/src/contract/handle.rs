//! The numeric form of handles: 32 bits in classes that cannot be mistaken for one another.
//!
//! | class | bits |
//! | --- | --- |
//! | descriptor | its number × 4, from 12 up to below 2^29: no standard stream has one |
//! | ticket | bit 29 set, the two lowest clear, below 2^30 |
//! | legacy | `index × 64 \| 0xC0000000 \| 2`: names a surface, and is no handle |
//! | pseudo | -1 to -6: the caller's own process, thread and tokens |

use core::fmt;
use core::str::FromStr;

/// The first descriptor that is no standard stream.
const DESCRIPTOR_FIRST: u32 = 3;
/// One above the greatest descriptor that has a value.
const DESCRIPTOR_END: u32 = 1 << 27;
const TICKET: u32 = 1 << 29;
/// So many different tickets there are.
const TICKETS: u64 = 1 << 27;
const LEGACY: u32 = 0xC000_0000 | 2;
const LEGACY_INDEX_SHIFT: u32 = 6;
const PSEUDO_FIRST: u32 = 0xFFFF_FFFA;

/// The numeric form of a handle, as it came: any 32 bits. [`Self::class`] says what they can be.
///
/// Where it is wider it is extended with zeros or with its sign; the lower half counts.
///
/// Its text is `0x10`: what a program writes on the command line of another, which reads it with
/// [`str::parse`], or in C with `strtoul(text, NULL, 0)` (`atoi` stops at the `x` and says 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandleValue(pub u32);

/// A text that is no [`HandleValue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no handle's value: a number of 32 bits, such as 0x10 or 16")]
pub struct HandleValueError;

/// What a value can be, by its bits alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleClass {
    /// The descriptor with this number, which is a handle or is not.
    Descriptor {
        /// Its number, 3 or more.
        number: i32,
    },
    /// A handle that another process has delivered, or somebody's guess.
    Ticket(Ticket),
    /// The number of a surface that was shared without a handle: a handle nowhere.
    Legacy {
        /// Its index, with its generation.
        index: u32,
    },
    /// What stands for something of the caller's own.
    Pseudo(Pseudo),
    /// Nothing: zero among them.
    Nothing,
}

/// What stands for something of the caller's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pseudo {
    /// -1: the process; also `INVALID_HANDLE_VALUE`.
    Process,
    /// -2: the thread.
    Thread,
    /// -3.
    Session,
    /// -4: the process's token.
    ProcessToken,
    /// -5: the thread's token.
    ThreadToken,
    /// -6: the token that counts.
    EffectiveToken,
}

/// The number under which a process finds a handle that another has delivered to it. Having one
/// proves that its bits are a ticket's, not that anything was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u32);

impl HandleValue {
    /// The value of a descriptor; None for a standard stream, and beyond 2^27.
    #[must_use]
    pub fn of_descriptor(number: i32) -> Option<Self> {
        let number = u32::try_from(number).ok()?;
        (DESCRIPTOR_FIRST..DESCRIPTOR_END).contains(&number).then(|| Self(number * 4))
    }

    /// What it can be.
    #[must_use]
    pub fn class(self) -> HandleClass {
        let Self(bits) = self;
        if let Some(pseudo) = Pseudo::from_bits(bits) {
            return HandleClass::Pseudo(pseudo);
        }
        if let Some(ticket) = Ticket::parse(bits) {
            return HandleClass::Ticket(ticket);
        }
        if bits & LEGACY == LEGACY && bits & ((1 << LEGACY_INDEX_SHIFT) - 1) == LEGACY & 0x3F {
            return HandleClass::Legacy { index: (bits & !0xC000_0000) >> LEGACY_INDEX_SHIFT };
        }
        let number = bits / 4;
        let range = DESCRIPTOR_FIRST..DESCRIPTOR_END;
        if bits.is_multiple_of(4) && range.contains(&number) {
            return HandleClass::Descriptor { number: number.cast_signed() };
        }
        HandleClass::Nothing
    }
}

impl fmt::Debug for HandleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandleValue({self})")
    }
}

impl fmt::Display for HandleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:X}", self.0)
    }
}

impl FromStr for HandleValue {
    type Err = HandleValueError;

    /// Reads digits of base 16 behind `0x`, or of base 10 without a zero in front, which C would
    /// take for base 8. What the value can be is for [`Self::class`] to say.
    fn from_str(text: &str) -> Result<Self, HandleValueError> {
        let behind = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let (digits, base) = behind.map_or((text, 10), |digits| (digits, 16));
        let is_octal = base == 10 && digits.len() > 1 && digits.starts_with('0');
        // The library's own would take a sign.
        if is_octal || !digits.chars().all(|digit| digit.is_digit(base)) {
            return Err(HandleValueError);
        }
        u32::from_str_radix(digits, base).map(Self).map_err(|_| HandleValueError)
    }
}

impl Pseudo {
    /// Every one, from -6 up.
    pub const ALL: [Self; 6] = [
        Self::EffectiveToken,
        Self::ThreadToken,
        Self::ProcessToken,
        Self::Session,
        Self::Thread,
        Self::Process,
    ];

    fn from_bits(bits: u32) -> Option<Self> {
        let index = usize::try_from(bits.checked_sub(PSEUDO_FIRST)?).ok()?;
        Self::ALL.get(index).copied()
    }
}

impl Ticket {
    /// The ticket that comes at this count; after 2^27 they come again.
    #[must_use]
    pub fn at(count: u64) -> Self {
        let index = u32::try_from(count % TICKETS).unwrap_or_default();
        Self(TICKET | (index << 2))
    }

    /// The ticket with these bits, if they are one's.
    #[must_use]
    pub const fn parse(bits: u32) -> Option<Self> {
        if bits & !(TICKET - 4) == TICKET { Some(Self(bits)) } else { None }
    }

    /// Its bits: the value that its process finds the handle under.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl From<Ticket> for HandleValue {
    fn from(ticket: Ticket) -> Self {
        Self(ticket.0)
    }
}

bitflags::bitflags! {
    /// What a handle has besides its rights (`HANDLE_FLAG_INHERIT` and its like).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct HandleFlags: u32 {
        /// Programs that the process starts get it.
        const INHERIT = 1;
        /// It is not closed until this is taken off.
        const PROTECT_FROM_CLOSE = 2;
    }
}

bitflags::bitflags! {
    /// What a duplication does besides (`DUPLICATE_CLOSE_SOURCE` and its like).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DuplicateOptions: u32 {
        /// The source is closed, also where the duplication fails.
        const CLOSE_SOURCE = 1;
        /// The duplicate has the source's flags, whatever else is said of them.
        const SAME_ATTRIBUTES = 4;
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[track_caller]
    fn check(bits: u32, expected: HandleClass) {
        assert_eq!(HandleValue(bits).class(), expected, "{bits:#x}");
    }

    fn ticket(bits: u32) -> HandleClass {
        HandleClass::Ticket(Ticket::parse(bits).expect("a ticket"))
    }

    #[test]
    fn descriptors_begin_behind_the_standard_streams_and_end_before_the_tickets() {
        for bits in [0, 1, 2, 3, 4, 8, 10, 11, 13, 14, 15, 0x1FFF_FFFD, 0x1FFF_FFFF] {
            check(bits, HandleClass::Nothing);
        }
        check(12, HandleClass::Descriptor { number: 3 });
        check(16, HandleClass::Descriptor { number: 4 });
        check(0x1FFF_FFFC, HandleClass::Descriptor { number: (1 << 27) - 1 });
        for (number, bits) in [(3, Some(12)), ((1 << 27) - 1, Some(0x1FFF_FFFC))] {
            assert_eq!(HandleValue::of_descriptor(number), bits.map(HandleValue));
        }
        for number in [i32::MIN, -1, 0, 2, 1 << 27, i32::MAX] {
            assert_eq!(HandleValue::of_descriptor(number), None);
        }
    }

    #[test]
    fn tickets_have_bit_29_alone_of_the_highest_and_none_of_the_lowest() {
        for bits in [0x2000_0000, 0x2000_0004, 0x3FFF_FFFC] {
            check(bits, ticket(bits));
        }
        for bits in [0x2000_0001, 0x2000_0002, 0x3FFF_FFFF, 0x4000_0000, 0x6000_0000, 0xA000_0000] {
            check(bits, HandleClass::Nothing);
        }
    }

    #[test]
    fn tickets_are_counted_through_and_then_begin_again() {
        assert_eq!(Ticket::at(0).bits(), 0x2000_0000);
        assert_eq!(Ticket::at(1).bits(), 0x2000_0004);
        assert_eq!(Ticket::at(TICKETS - 1).bits(), 0x3FFF_FFFC);
        assert_eq!(Ticket::at(TICKETS), Ticket::at(0));
        assert_eq!(HandleValue::from(Ticket::at(3)), HandleValue(0x2000_000C));
    }

    #[test]
    fn legacy_numbers_are_told_by_both_ends() {
        check(0xC000_0002, HandleClass::Legacy { index: 0 });
        check(0xC000_0042, HandleClass::Legacy { index: 1 });
        check(0xFFFF_FFC2, HandleClass::Legacy { index: 0x00FF_FFFF });
        for bits in [0xC000_0000, 0xC000_0001, 0xC000_0003, 0xC000_0006, 0xC000_0022, 0x8000_0002] {
            check(bits, HandleClass::Nothing);
        }
        check(0x4000_0002, HandleClass::Nothing);
    }

    #[test]
    fn what_is_the_callers_own_is_minus_one_to_minus_six() {
        check(u32::MAX, HandleClass::Pseudo(Pseudo::Process));
        check(0xFFFF_FFFE, HandleClass::Pseudo(Pseudo::Thread));
        check(0xFFFF_FFFD, HandleClass::Pseudo(Pseudo::Session));
        check(0xFFFF_FFFC, HandleClass::Pseudo(Pseudo::ProcessToken));
        check(0xFFFF_FFFB, HandleClass::Pseudo(Pseudo::ThreadToken));
        check(0xFFFF_FFFA, HandleClass::Pseudo(Pseudo::EffectiveToken));
        check(0xFFFF_FFF9, HandleClass::Nothing);
    }

    #[test]
    fn a_value_is_read_as_it_is_written_and_in_base_10() {
        for bits in [0, 1, 12, 16, 0x2000_0004, 0xC000_0042, u32::MAX] {
            let value = HandleValue(bits);
            assert_eq!(value.to_string().parse(), Ok(value));
            assert_eq!(alloc::format!("{bits}").parse(), Ok(value));
            assert_eq!(alloc::format!("0X{bits:08x}").parse(), Ok(value));
        }
    }

    #[test]
    fn what_is_no_number_of_32_bits_is_no_value() {
        let others = [
            "",
            "0x",
            "x10",
            "10h",
            "+16",
            "-1",
            "0x+10",
            "0x-1",
            " 16",
            "16 ",
            "0x10\n",
            "1_6",
            "010",
            "00",
            "a",
            "0xG",
            "4294967296",
            "0x100000000",
            "99999999999999999999",
        ];
        for text in others {
            assert_eq!(text.parse::<HandleValue>(), Err(HandleValueError), "{text:?}");
        }
    }
}
