//! Where the broker's socket is.

use std::env;
use std::path::{Path, PathBuf};

use handfast_sys::process;
use thiserror::Error;

/// The directory of a machine's broker.
pub const MACHINE_DIRECTORY: &str = "/run/handfast";
/// Name of the socket in its directory.
pub const SOCKET_NAME: &str = "socket";
/// A socket's path may have that many bytes.
pub const PATH_BYTES_MAX: usize = 107;

/// Why this socket and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `HANDFAST_SOCKET` names it.
    Environment,
    /// The machine's socket exists.
    Machine,
    /// The user's own.
    User,
}

/// A broker's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its path.
    pub socket: PathBuf,
    /// Why this one.
    pub origin: Origin,
}

/// Why there is no place for a socket.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// The path does not fit a socket address.
    #[error(
        "the socket path {path} has {bytes} bytes, a socket's may have {PATH_BYTES_MAX}: set \
         HANDFAST_SOCKET to a shorter one"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// `HANDFAST_SOCKET` is relative or has no directory.
    #[error("HANDFAST_SOCKET is {path}: it must be an absolute path to a socket")]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
}

impl Place {
    /// A socket at a path of the caller's choice.
    ///
    /// # Errors
    ///
    /// [`PlaceError`].
    pub fn at(socket: &Path) -> Result<Self, PlaceError> {
        Self::checked(socket.to_owned(), Origin::Environment)
    }

    /// The socket that a client of this process uses: `HANDFAST_SOCKET`; else the machine's, if
    /// its file exists, whether or not anybody answers; else the user's own.
    ///
    /// # Errors
    ///
    /// [`PlaceError`].
    pub fn find() -> Result<Self, PlaceError> {
        // A program that runs with more rights than its user takes no orders from its user's
        // environment.
        let trusted = !process::is_secure_exec();
        if trusted && let Some(path) = env::var_os("HANDFAST_SOCKET").filter(|p| !p.is_empty()) {
            return Self::checked(path.into(), Origin::Environment);
        }
        let machine = Path::new(MACHINE_DIRECTORY).join(SOCKET_NAME);
        if machine.exists() {
            return Self::checked(machine, Origin::Machine);
        }
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|path| trusted && path.is_absolute());
        let own = format!("/run/user/{}", process::uid());
        let directory = match runtime {
            Some(path) => path.join("handfast"),
            None if Path::new(&own).is_dir() => Path::new(&own).join("handfast"),
            None => PathBuf::from(format!("/tmp/handfast-{}", process::uid())),
        };
        Self::checked(directory.join(SOCKET_NAME), Origin::User)
    }

    fn checked(socket: PathBuf, origin: Origin) -> Result<Self, PlaceError> {
        if !socket.is_absolute() || socket.parent().is_none() {
            return Err(PlaceError::NotAbsolute { path: socket });
        }
        let bytes = socket.as_os_str().len();
        if bytes > PATH_BYTES_MAX {
            return Err(PlaceError::TooLong { path: socket, bytes });
        }
        Ok(Self { socket, origin })
    }

    /// The directory of the socket.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.socket.parent().unwrap_or(Path::new("/"))
    }

    /// Whether this is the machine's broker, which serves every user.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.socket.starts_with(MACHINE_DIRECTORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_be_absolute_and_fit_an_address() {
        assert!(matches!(Place::at(Path::new("a/b")), Err(PlaceError::NotAbsolute { .. })));
        assert!(matches!(Place::at(Path::new("/")), Err(PlaceError::NotAbsolute { .. })));
        let long = format!("/{}", "x".repeat(107));
        let refused = Place::at(Path::new(&long)).unwrap_err();
        assert_eq!(refused, PlaceError::TooLong { path: long.into(), bytes: 108 });
        let fits = format!("/{}", "x".repeat(106));
        assert!(Place::at(Path::new(&fits)).is_ok());
    }
}
