//! The C library: programs in C against each other and against the program `handfast`.

#![forbid(unsafe_code)]

mod build;
mod installed;
mod memory;
mod objects;
mod other_end;
mod picture;
mod streams;
mod thirty_two;
