//! Who asks, and what is granted.

mod check;
mod token;

pub use check::{Granted, check};
pub use token::Token;
