//! Who listens at a socket: exactly one broker, decided under a lock on the socket's directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use handfast_sys::runtime_dir::{self, DirectoryError, DirectoryLock};
use handfast_sys::seqpacket::{Listener, Socket};
use handfast_sys::service::{self, Passed, TakeError};
use thiserror::Error;

use crate::place::Place;
use crate::turn::Users;

pub use handfast_sys::service::{State, notify};

const BACKLOG: i32 = 512;

/// What is at a socket's path.
#[derive(Debug)]
pub enum Activation {
    /// A broker answers: this is a connection to it.
    Answered(Socket),
    /// Nobody did; this process listens there now, and starts or is the broker. The lock is held
    /// until it is dropped.
    Listening(Listener, DirectoryLock),
}

/// Why neither is so.
#[derive(Debug, Error)]
pub enum ActivationError {
    /// The socket's directory is not safe to use.
    #[error("the directory of the broker's socket cannot be used: {0}")]
    Directory(#[from] DirectoryError),
    /// Something that is no socket has the path.
    #[error("{path} is there and is not a socket: remove it, or set HANDFAST_SOCKET")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A broker's socket that this user may not use.
    #[error("the broker's socket {path} belongs to another user, or its rights keep you out")]
    Refused {
        /// The path.
        path: PathBuf,
    },
    /// A stale socket could not be removed.
    #[error("the stale socket {path} could not be removed: {source}")]
    Stale {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket could not be opened to every user.
    #[error("the socket {} could not be opened to every user: {source}", .path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("no broker's socket at {path}: {source}")]
    Kernel {
        /// The path.
        path: PathBuf,
        /// Why.
        source: handfast_sys::Error,
    },
}

/// Why the socket that a service manager passed cannot be served.
#[derive(Debug, Error)]
pub enum PassedError {
    /// It cannot be taken.
    #[error("the service manager's socket cannot be taken: {0}")]
    Take(#[from] TakeError),
    /// Not one, but none or several.
    #[error("the service manager passed {count} descriptors, not one socket{}", listed(.found))]
    Count {
        /// How many.
        count: usize,
        /// What they are.
        found: Vec<String>,
    },
    /// Something else.
    #[error(
        "the service manager passed {found}; it must be a seqpacket socket that listens at a \
         path (ListenSequentialPacket= in the socket unit)"
    )]
    Kind {
        /// What it is.
        found: String,
    },
    /// The kernel refused.
    #[error("the service manager's socket cannot be served: {0}")]
    Kernel(#[from] handfast_sys::Error),
}

fn listed(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(": {}", found.join("; ")) }
}

/// Whether an error of `connect` means that nobody listens there.
fn nobody_listens(error: &handfast_sys::Error) -> bool {
    matches!(errno(error), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn errno(error: &handfast_sys::Error) -> io::ErrorKind {
    io::Error::from(error.errno()).kind()
}

/// Connects to the broker of a place.
///
/// # Errors
///
/// `Ok(None)` when nobody listens there, else [`ActivationError::Refused`],
/// [`ActivationError::NotASocket`] or [`ActivationError::Kernel`].
pub fn connect(place: &Place) -> Result<Option<Socket>, ActivationError> {
    match Socket::connect(&place.socket) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if nobody_listens(&error) => {
            refuse_what_is_no_socket(&place.socket)?;
            Ok(None)
        }
        Err(error) => Err(explain(&place.socket, error)),
    }
}

fn explain(path: &Path, source: handfast_sys::Error) -> ActivationError {
    let path = path.to_owned();
    if errno(&source) == io::ErrorKind::PermissionDenied {
        ActivationError::Refused { path }
    } else {
        ActivationError::Kernel { path, source }
    }
}

fn refuse_what_is_no_socket(path: &Path) -> Result<(), ActivationError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(ActivationError::NotASocket { path: path.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The socket that a service manager passed to this process, and where it is. None when it passed
/// nothing. Its file is the manager's: it is there before the broker and stays after it.
///
/// # Errors
///
/// [`PassedError`]: it is not exactly one listening socket with a path.
pub fn passed() -> Result<Option<(Listener, PathBuf)>, PassedError> {
    let Some(mut passed) = service::take_passed()? else { return Ok(None) };
    let found: Vec<String> = passed.iter().map(Passed::describe).collect();
    let (Some(one), true) = (passed.pop(), passed.is_empty()) else {
        return Err(PassedError::Count { count: found.len(), found });
    };
    let found = found.concat();
    let listener = one.into_listener().map_err(|_| PassedError::Kind { found: found.clone() })?;
    let path = listener.path()?.ok_or(PassedError::Kind { found })?;
    Ok(Some((listener, path)))
}

/// Connects to the broker of a place or, if nobody listens there, listens, for these users.
///
/// # Errors
///
/// [`ActivationError`]; nothing was changed, but a directory may have been made.
///
/// # Blocking
///
/// While another process decides the same about the same directory: for as long as it takes to
/// bind a socket and start a program.
pub fn activate(place: &Place, users: Users) -> Result<Activation, ActivationError> {
    if let Some(socket) = connect(place)? {
        return Ok(Activation::Answered(socket));
    }
    match users {
        Users::Own => runtime_dir::ensure_private(place.directory())?,
        Users::All => runtime_dir::ensure_shared(place.directory())?,
    }
    let lock = DirectoryLock::lock(place.directory())
        .map_err(|source| ActivationError::Kernel { path: place.socket.clone(), source })?;
    if let Some(socket) = connect(place)? {
        return Ok(Activation::Answered(socket));
    }
    match fs::remove_file(&place.socket) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(ActivationError::Stale { path: place.socket.clone(), source });
        }
    }
    let listener = Listener::bind(&place.socket, BACKLOG)
        .map_err(|source| ActivationError::Kernel { path: place.socket.clone(), source })?;
    if users == Users::All {
        fs::set_permissions(&place.socket, Permissions::from_mode(0o666))
            .map_err(|source| ActivationError::Open { path: place.socket.clone(), source })?;
    }
    Ok(Activation::Listening(listener, lock))
}
