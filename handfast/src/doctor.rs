//! What this machine has of what Handfast needs or uses, and where its broker is. Nothing here
//! starts or changes anything.

use core::sync::atomic::AtomicU32;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use handfast_broker::activation;
use handfast_broker::place::Place;
use handfast_image::broker_program;
use handfast_sys::seqpacket::{Socket, Supported};
use handfast_sys::{futex, memfd, memory, peer, process, runtime_dir};

use crate::error::Result;

pub use handfast_broker::place::Origin;
pub use handfast_model::wire::{VERSION, VERSION_OLDEST};

/// The oldest kernel that Handfast runs on.
pub const KERNEL_OLDEST: (u32, u32) = (6, 1);
/// The units in which systemd runs brokers, as `dist/systemd` has them.
const SERVICES: [&str; 2] = ["handfast.service", "handfast-machine.service"];

/// What this machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The kernel's release as it calls itself.
    pub kernel: String,
    /// Its first two numbers, where they can be read.
    pub kernel_version: Option<(u32, u32)>,
    /// Why there is no shared memory that can be sealed, if so. Nothing works without.
    pub memfd_refused: Option<String>,
    /// What is used where it is there.
    pub facilities: Vec<Facility>,
    /// Limits of this process's open descriptors, soft and hard; `u64::MAX` is none.
    pub descriptors: (u64, u64),
    /// Memory that can still be had, in bytes, where the kernel says so.
    pub memory_bytes: Option<u64>,
}

/// Something that newer kernels have, or that sandboxes bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility {
    /// The kernel's word for it.
    pub name: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// The kernel that brought it.
    pub since: &'static str,
    /// How it goes without.
    pub without: &'static str,
}

/// Where the broker's socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its path.
    pub socket: PathBuf,
    /// Why there.
    pub origin: Origin,
    /// The process that listens there, if one does; it need not answer.
    pub listener_pid: Option<i32>,
    /// Why no broker can listen there and why none can be asked, if so.
    pub obstacle: Option<String>,
    /// The program that is started when nobody listens.
    pub program: PathBuf,
    /// Whether that can be started.
    pub program_exists: bool,
}

/// Looks at the machine.
#[must_use]
pub fn machine() -> Machine {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().to_owned();
    let sealed = memfd::create("handfast doctor", 4096);
    let noexec = sealed.as_ref().is_ok_and(|memory| {
        // Memory that was made with the flag refuses to become a program.
        memory.try_clone().is_ok_and(|memory| {
            let refused = File::from(memory).set_permissions(Permissions::from_mode(0o700));
            refused.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        })
    });
    Machine {
        kernel_version: version(&kernel),
        kernel,
        memfd_refused: sealed.err().map(|error| error.to_string()),
        facilities: facilities(noexec),
        descriptors: process::descriptor_limit(),
        memory_bytes: memory::available_bytes(),
    }
}

fn facilities(noexec: bool) -> Vec<Facility> {
    let pair = Socket::pair().ok();
    // Without the option the process of this number would be opened, and there is none.
    let peer_pidfd =
        pair.as_ref().is_some_and(|(socket, _)| peer::peer_pidfd(socket, i32::MAX).is_ok());
    let pass_rights = pair
        .as_ref()
        .is_some_and(|(socket, _)| matches!(socket.accept_descriptors(), Ok(Supported::Yes)));
    let waitv = futex::wait_any(&[((&AtomicU32::new(1)).into(), 0)], Some(0)).is_ok();
    vec![
        Facility {
            name: "SO_PEERPIDFD",
            present: peer_pidfd,
            since: "6.5",
            without: "a process is found by its number and looked at twice",
        },
        Facility {
            name: "SO_PASSRIGHTS",
            present: pass_rights,
            since: "6.16",
            without: "descriptors that nobody asked for are closed when they have come",
        },
        Facility {
            name: "MFD_NOEXEC_SEAL",
            present: noexec,
            since: "6.3",
            without: "shared memory could be run as a program by its own user",
        },
        Facility {
            name: "futex_waitv",
            present: waitv,
            since: "5.16",
            without: "a sandbox bars it: a sender that waits for receivers looks again and again",
        },
    ]
}

/// Looks for the broker that a client of this process uses.
///
/// # Errors
///
/// [`crate::ErrorKind::BrokerUnavailable`] when the environment names no possible place.
pub fn broker() -> Result<Broker> {
    let place = Place::find()?;
    let (listener_pid, refused) = match activation::connect(&place) {
        Ok(Some(socket)) => (peer::peer(&socket).ok().map(|peer| peer.pid), None),
        Ok(None) => (None, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let obstacle = refused.or_else(|| listener_pid.is_none().then(|| in_the_way(&place)).flatten());
    let program = broker_program();
    let program_exists =
        program.metadata().is_ok_and(|found| found.permissions().mode() & 0o111 != 0);
    Ok(Broker {
        socket: place.socket,
        origin: place.origin,
        listener_pid,
        obstacle,
        program,
        program_exists,
    })
}

/// Why no broker could listen at a place where none does.
fn in_the_way(place: &Place) -> Option<String> {
    let directory = place.directory();
    if directory.symlink_metadata().is_ok() {
        // It is there, so this makes nothing.
        return runtime_dir::ensure_private(directory).err().map(|error| error.to_string());
    }
    let above = directory.parent()?;
    let is_there = above.metadata().is_ok_and(|found| found.is_dir());
    (!is_there).then(|| format!("there is no directory {}", above.display()))
}

/// Where a broker's process hangs: it has that group's limits and ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlGroup {
    /// Its path, of the second version.
    pub path: String,
    /// Who started the broker, as far as the path tells.
    pub starter: Starter,
}

/// Who started a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Starter {
    /// The service manager: it is the main thing of this unit, such as `handfast.service`.
    Service(String),
    /// A program that needed one, or somebody by hand: it hangs in a unit of something else.
    Program(String),
    /// The path names no unit.
    Unknown,
}

/// The control group of a process, where the kernel tells. Ask it of the process that a broker
/// says it is ([`crate::BrokerInfo::pid`]), since who listens first may be the service manager.
#[must_use]
pub fn control_group(pid: i32) -> Option<ControlGroup> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
    Some(ControlGroup { starter: starter(&path), path })
}

/// The nearest unit above a process tells; those farther up hold other units.
fn starter(path: &str) -> Starter {
    let is_unit = |name: &&str| name.ends_with(".service") || name.ends_with(".scope");
    match path.rsplit('/').find(is_unit) {
        Some(unit) if SERVICES.contains(&unit) => Starter::Service(unit.to_owned()),
        Some(unit) => Starter::Program(unit.to_owned()),
        None => Starter::Unknown,
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(version("6.18.44-generic"), Some((6, 18)));
        assert_eq!(version("7.0"), Some((7, 0)));
        assert_eq!(version("seven"), None);
    }

    #[test]
    fn the_nearest_unit_tells_who_started_a_broker() {
        let user = "/user.slice/user-1000.slice/user@1000.service";
        let service = |unit: &str| Starter::Service(unit.into());
        let program = |unit: &str| Starter::Program(unit.into());
        let own = format!("{user}/session.slice/handfast.service");
        assert_eq!(starter(&own), service("handfast.service"));
        let machine = "/system.slice/handfast-machine.service";
        assert_eq!(starter(machine), service("handfast-machine.service"));
        assert_eq!(starter(&format!("{user}/app.slice/obs-7.scope")), program("obs-7.scope"));
        assert_eq!(starter(&format!("{user}/player.service/sub")), program("player.service"));
        assert_eq!(starter("/system.slice/handfast.slice"), Starter::Unknown);
        assert_eq!(starter("/"), Starter::Unknown);
    }

    #[test]
    fn this_machine_has_what_its_tests_use() {
        let machine = machine();
        assert!(machine.kernel_version >= Some(KERNEL_OLDEST), "{machine:?}");
        assert_eq!(machine.memfd_refused, None);
        assert_eq!(machine.facilities.len(), 4);
    }
}
