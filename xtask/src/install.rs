//! `cargo xtask install`: the program, the C library, its headers and its `pkg-config` file.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::USAGE;

/// What to install where.
#[derive(Debug)]
pub(crate) struct Install {
    /// Where it is used from.
    prefix: PathBuf,
    /// Cargo's profile.
    profile: String,
}

/// What is wrong with what follows `install`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// A prefix is written into files that are used from elsewhere.
    Relative(String),
    Unknown,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(prefix) => write!(
                f,
                "--prefix {prefix}: DIR must be absolute; to install elsewhere than it is used \
                 from, set DESTDIR"
            ),
            Self::Unknown => f.write_str(USAGE),
        }
    }
}

impl Install {
    /// Reads what follows `install` on the command line.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, Misuse> {
        let mut install = Self { prefix: PathBuf::from("/usr/local"), profile: "release".into() };
        for pair in arguments.chunks(2) {
            match pair {
                ["--prefix", prefix] if prefix.starts_with('/') => install.prefix = prefix.into(),
                ["--prefix", prefix] => return Err(Misuse::Relative((*prefix).to_owned())),
                ["--profile", profile] => install.profile = (*profile).to_owned(),
                _ => return Err(Misuse::Unknown),
            }
        }
        Ok(install)
    }

    /// Builds, then copies: below `DESTDIR`, if the environment has it.
    pub(crate) fn run(&self, repository: &Path) -> anyhow::Result<()> {
        let built = self.build(repository)?;
        let version = version(repository)?;
        let root = destination(&self.prefix, env::var_os("DESTDIR"));
        let library = format!("libhandfast.so.{version}");
        put(&built.join("handfast"), &root.join("bin/handfast"), 0o755)?;
        put(&built.join("libhandfast.so"), &root.join("lib").join(&library), 0o755)?;
        let major = version.split('.').next().unwrap_or_default();
        let soname = format!("libhandfast.so.{major}");
        link(&library, &root.join("lib").join(&soname))?;
        link(&soname, &root.join("lib/libhandfast.so"))?;
        for header in fs::read_dir(repository.join("include/handfast"))? {
            let header = header?;
            put(&header.path(), &root.join("include/handfast").join(header.file_name()), 0o644)?;
        }
        let template = fs::read_to_string(repository.join("capi/handfast.pc.in"))?;
        let text = fill(&template, &self.prefix, &version);
        let place = root.join("lib/pkgconfig/handfast.pc");
        write(&place, 0o644, |file| file.write_all(text.as_bytes()))?;
        writeln!(io::stdout(), "installed {} in {}", version, root.display())?;
        Ok(())
    }

    /// Where Cargo has left what it built.
    fn build(&self, repository: &Path) -> anyhow::Result<PathBuf> {
        let target = env::var_os("CARGO_TARGET_DIR").map(|path| repository.join(path));
        let target = target.unwrap_or_else(|| repository.join("target"));
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--locked", "--package", "handfast-capi", "--package", "handfast-cli"])
            .args(["--profile", &self.profile, "--target-dir"])
            .arg(&target)
            .current_dir(repository)
            .status()
            .context("cargo cannot be run")?;
        ensure!(status.success(), "the program and the library cannot be built");
        Ok(target.join(if self.profile == "dev" { "debug" } else { &self.profile }))
    }
}

/// The version of the workspace.
fn version(repository: &Path) -> anyhow::Result<String> {
    let manifest = fs::read_to_string(repository.join("Cargo.toml"))?;
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.package]");
    let mut values = lines.filter_map(|line| line.strip_prefix("version = \""));
    match values.next().and_then(|rest| rest.strip_suffix('"')) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("Cargo.toml has no version of the workspace"),
    }
}

/// Where files of a prefix are put.
fn destination(prefix: &Path, destination: Option<OsString>) -> PathBuf {
    match destination.filter(|path| !path.is_empty()) {
        Some(root) => Path::new(&root).join(prefix.strip_prefix("/").unwrap_or(prefix)),
        None => prefix.to_owned(),
    }
}

fn fill(template: &str, prefix: &Path, version: &str) -> String {
    template.replace("@PREFIX@", &prefix.to_string_lossy()).replace("@VERSION@", version)
}

fn put(source: &Path, target: &Path, mode: u32) -> anyhow::Result<()> {
    write(target, mode, |file| {
        let mut source = fs::File::open(source)?;
        io::copy(&mut source, file).map(drop)
    })
    .with_context(|| format!("{} cannot be copied", source.display()))
}

/// Replaces a file as a whole, so that programs that run from it go on.
fn write(
    target: &Path,
    mode: u32,
    fill: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> anyhow::Result<()> {
    let aside = beside(target)?;
    let written = fs::File::create(&aside).and_then(|mut file| {
        fill(&mut file)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        fs::rename(&aside, target)
    });
    written.with_context(|| format!("{} cannot be written", target.display()))
}

fn link(to: &str, target: &Path) -> anyhow::Result<()> {
    let aside = beside(target)?;
    let linked = symlink(to, &aside).and_then(|()| fs::rename(&aside, target));
    linked.with_context(|| format!("{} cannot be linked", target.display()))
}

/// A free place in the folder of `target`, which is made if need be.
fn beside(target: &Path) -> anyhow::Result<PathBuf> {
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        bail!("{} is no place for a file", target.display());
    };
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let aside = folder.join(format!(".{}.new", name.to_string_lossy()));
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(aside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_a_prefix_and_a_profile() {
        let install = Install::parse(&["--profile", "dev", "--prefix", "/opt/x"]).unwrap();
        assert_eq!(
            (install.prefix.as_path(), install.profile.as_str()),
            (Path::new("/opt/x"), "dev")
        );
        assert_eq!(Install::parse(&[]).unwrap().prefix, Path::new("/usr/local"));
        assert_eq!(Install::parse(&["--prefix"]).unwrap_err().to_string(), USAGE);
        assert_eq!(Install::parse(&["--other", "x"]).unwrap_err().to_string(), USAGE);
        let relative = Install::parse(&["--prefix", "out"]).unwrap_err().to_string();
        assert!(relative.starts_with("--prefix out: DIR must be absolute"), "{relative}");
    }

    #[test]
    fn a_destination_goes_before_the_prefix() {
        let prefix = Path::new("/usr");
        assert_eq!(destination(prefix, None), prefix);
        assert_eq!(destination(prefix, Some(OsString::new())), prefix);
        assert_eq!(destination(prefix, Some("/stage".into())), Path::new("/stage/usr"));
    }

    #[test]
    fn the_version_is_that_of_the_repository() {
        assert_eq!(version(&crate::repository()).unwrap(), env!("CARGO_PKG_VERSION"));
    }
}
