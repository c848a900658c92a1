//! Gives the library the name by which programs ask for it at run time.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    // Changes with the first version that breaks programs built against an older one.
    writeln!(io::stdout(), "cargo::rustc-cdylib-link-arg=-Wl,-soname,libhandfast.so.0")?;
    writeln!(io::stdout(), "cargo::rerun-if-changed=build.rs")
}
