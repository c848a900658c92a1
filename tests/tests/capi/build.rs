//! The headers and the examples suit every compiler, and the library exports what they say.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use handfast_tests::{Requirement, Scratch, require};

use crate::installed::{
    EXAMPLES, PROGRAMS, WARNINGS, cargo, prefix, profile_name, run, source, workspace,
};

/// Builds the examples as their users do.
#[track_caller]
fn make(compiler: &str) {
    let scratch = Scratch::new();
    for entry in fs::read_dir(workspace().join("examples/c")).expect("the examples are there") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), scratch.files().join(entry.file_name())).expect("ours");
    }
    let mut make = scratch.command("make");
    make.arg(format!("CC={compiler}"));
    run(make.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")));
    for example in EXAMPLES {
        assert!(scratch.files().join(example).is_file(), "{example}");
    }
}

fn lacks(requirements: &[Requirement]) -> bool {
    requirements.iter().any(|requirement| require(*requirement).is_none())
}

#[test]
fn the_examples_build_with_gcc() {
    if !lacks(&[Requirement::Make, Requirement::PkgConfig]) {
        make("gcc");
    }
}

#[test]
fn the_examples_build_with_clang() {
    if !lacks(&[Requirement::Make, Requirement::PkgConfig, Requirement::Clang]) {
        make("clang");
    }
}

/// Compiles everything, and links nothing.
#[track_caller]
fn compile(compiler: &str, options: &[&str]) {
    for program in EXAMPLES.iter().chain(PROGRAMS) {
        let mut command = Command::new(compiler);
        command.args(options).args(WARNINGS).args(["-D_GNU_SOURCE", "-fsyntax-only", "-I"]);
        command.arg(workspace().join("include")).arg("-I").arg(workspace().join("examples/c"));
        run(command.arg(source(program)));
    }
}

#[test]
fn the_headers_are_cxx_too() {
    if lacks(&[Requirement::Cxx]) {
        return;
    }
    for standard in ["-std=c++11", "-std=c++20"] {
        compile("g++", &["-x", "c++", standard]);
    }
}

#[test]
fn clang_agrees_on_the_layout() {
    if lacks(&[Requirement::Clang]) {
        return;
    }
    compile("clang", &["-std=c11"]);
}

#[test]
fn the_library_exports_what_the_headers_declare() {
    let library = prefix().join("lib/libhandfast.so.0");
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let exported: BTreeSet<String> =
        symbols.lines().filter_map(|line| Some(line.split(' ').nth(2)?.to_owned())).collect();
    let header = ["types.h", "stream.h", "objects.h"].map(|header| {
        let header = prefix().join("include/handfast").join(header);
        fs::read_to_string(header).expect("the header is installed")
    });
    let header = header.concat();
    // Every declaration begins its line with the type, and its name is before the first bracket.
    let declared: BTreeSet<String> = header
        .lines()
        .filter(|line| ["int ", "void ", "const char *"].iter().any(|kind| line.starts_with(kind)))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next().map(str::to_owned))
        .collect();
    assert!(declared.len() > 80, "{declared:?}");
    assert_eq!(exported, declared);
    let dynamic = run(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("Library soname: [libhandfast.so.0]"), "{dynamic}");
}

#[test]
fn an_installation_respects_its_destination() {
    let prefix = prefix();
    let scratch = Scratch::new();
    let stage = scratch.path().join("stage");
    let mut install = cargo();
    install.args(["run", "--quiet", "--package", "xtask", "--", "install", "--prefix", "/opt/hf"]);
    run(install.args(["--profile", &profile_name()]).env("DESTDIR", &stage));
    let headers = ["handfast.h", "objects.h", "stream.h", "types.h"];
    let headers = headers.map(|header| format!("include/handfast/{header}"));
    let files = ["bin/handfast", "lib/libhandfast.so"].map(str::to_owned);
    for file in files.into_iter().chain(headers) {
        let (staged, plain) = (stage.join("opt/hf").join(&file), prefix.join(&file));
        let read = |path| fs::read(path).expect("it is installed");
        assert!(read(&staged) == read(&plain), "{file}");
    }
    let text = fs::read_to_string(stage.join("opt/hf/lib/pkgconfig/handfast.pc")).expect("a file");
    assert!(text.starts_with("prefix=/opt/hf\n") && !text.contains('@'), "{text}");
    let linked = |name: &str| fs::read_link(stage.join("opt/hf/lib").join(name)).expect("a link");
    let soname = linked("libhandfast.so");
    assert_eq!(soname.to_str(), Some("libhandfast.so.0"));
    assert_eq!(
        linked("libhandfast.so.0").to_str(),
        Some(concat!("libhandfast.so.", env!("CARGO_PKG_VERSION")))
    );
}
