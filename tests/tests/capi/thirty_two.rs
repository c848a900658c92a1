//! A program of 32 bits with a broker, senders and receivers of 64.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use handfast_tests::{Child, Requirement, Scratch, require};

use crate::installed::{Programs, cargo, profile, profile_name, run};
use crate::objects::together;
use crate::other_end::End;
use crate::streams::{c_to_c, c_to_program, program_to_c};

const TARGET: &str = "i686-unknown-linux-gnu";

/// The library of 32 bits as programs ask for it, in a folder of the test's own.
struct Library {
    _scratch: Scratch,
    folder: PathBuf,
}

impl Library {
    /// Builds it; None where the machine cannot.
    fn build() -> Option<Self> {
        require(Requirement::I686)?;
        let lock = File::create(profile().join(".capi-i686")).expect("the folder is ours");
        lock.lock().expect("the lock file can be locked");
        let mut build = cargo();
        build.args(["build", "--quiet", "--locked", "--package", "handfast-capi", "--target"]);
        run(build.args([TARGET, "--profile", &profile_name()]));
        let target = profile();
        let (name, target) = (target.file_name()?, target.parent()?);
        let built = target.join(TARGET).join(name).join("libhandfast.so");
        let scratch = Scratch::new();
        let folder = scratch.files();
        fs::copy(built, folder.join("libhandfast.so.0")).expect("it is built");
        symlink("libhandfast.so.0", folder.join("libhandfast.so")).expect("ours");
        Some(Self { _scratch: scratch, folder })
    }

    #[track_caller]
    fn programs(&self, names: &[&str]) -> Programs {
        Programs::build_with(names, &["-m32"], &self.folder)
    }
}

#[test]
fn frames_go_both_ways_between_32_and_64_bits() {
    let Some(library) = Library::build() else { return };
    let small = library.programs(&["send", "recv", "layout"]);
    let large = Programs::build(&["send", "recv"]);
    c_to_c(&small, &large);
    c_to_c(&large, &small);
    c_to_program(&library.programs(&["send"]));
    program_to_c(&library.programs(&["recv"]), "nv12", (33, 17));
    program_to_c(&library.programs(&["recv"]), "rgba32f", (50, 21));
}

#[test]
fn every_call_works_with_32_bits() {
    let Some(library) = Library::build() else { return };
    for program in ["misuse", "objects"] {
        let programs = library.programs(&[program]);
        let told = Child::spawn(&mut programs.command(program, &[])).finish();
        assert_eq!(told.success(), "0 failed\n");
    }
}

#[test]
fn objects_are_shared_between_32_and_64_bits() {
    let Some(library) = Library::build() else { return };
    let small = library.programs(&["end"]);
    let large = Programs::build(&["end"]);
    let made_by = |make: &Programs, open: &Programs| {
        let scratch = Scratch::new();
        let one = End::in_c(make, &scratch, "make");
        together(one, End::in_c(open, &scratch, "open"));
    };
    made_by(&small, &large);
    made_by(&large, &small);
    let scratch = Scratch::new();
    let one = End::in_c(&small, &scratch, "make");
    together(one, End::in_rust(&large, &scratch, "open"));
    // What may only be waited for is not for 32 bits.
    let scratch = Scratch::new();
    let mut one = End::in_c(&large, &scratch, "make");
    let mut two = End::in_c(&small, &scratch, "open");
    assert_eq!(one.ask("it"), "done");
    let refused = two.ask("it");
    assert!(refused.starts_with("error -9: ") && refused.contains("64 bits"), "{refused}");
    two.leave();
    one.leave();
}
