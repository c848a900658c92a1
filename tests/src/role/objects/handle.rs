//! Orders to handles, and to descriptors that may be none.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use handfast::{Handle, Inheritance};
use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Socket};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};

use super::{Objects, access, found, ok};

impl Objects {
    pub(super) fn handle(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let made = match words {
            ["dup", from] => found(&self.handles, from)?.duplicate()?,
            ["dup", from, rights] => found(&self.handles, from)?.duplicate_with(access(rights)?)?,
            ["from", what, argument @ ..] => {
                Handle::from_descriptor(self.descriptor(what, argument)?)?
            }
            ["take", descriptor] => {
                let taken = self.descriptors.remove(*descriptor).context("no such descriptor")?;
                Handle::from_descriptor(taken)?
            }
            ["drop"] => {
                found(&self.handles, register)?;
                self.handles.remove(register);
                return ok();
            }
            // Whoever sends a descriptor sends it there.
            ["listen", path] => {
                self.listener = Some(Listener::bind(Path::new(path), 8)?);
                return ok();
            }
            ["accept"] => {
                let received = accept(self.listener.as_ref().context("not listening")?)?;
                self.descriptors.insert(register.into(), received);
                return ok();
            }
            _ => return self.use_handle(register, words),
        };
        self.handles.insert(register.into(), made);
        ok()
    }

    fn use_handle(&self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let handle = found(&self.handles, register)?;
        match words {
            ["object"] => Ok(format!("{:?}", Some(handle.object()))),
            ["kind"] => Ok(format!("{:?}", handle.kind())),
            ["access"] => Ok(format!("{:08x}", handle.access().bits())),
            ["names"] => Ok(format!("names: {}", handle.info()?.names.join(","))),
            ["handles"] => Ok(handle.info()?.handles.to_string()),
            ["inherit", "children"] => {
                handle.set_inheritance(Inheritance::Children)?;
                Ok(format!("{:?}", handle.inheritance()?))
            }
            ["inherit", "none"] => {
                handle.set_inheritance(Inheritance::None)?;
                Ok(format!("{:?}", handle.inheritance()?))
            }
            // What a program that is started now finds under the same number.
            ["start"] => start(handle),
            // The same, where this process itself is the program.
            ["exec"] => {
                use std::os::unix::process::CommandExt as _;
                Err(inheriting(handle)?.exec().into())
            }
            ["send", path] => {
                let socket = Socket::connect(Path::new(path))?;
                socket.send(b"handle", &[handle.as_fd()], Blocking::Wait)?;
                ok()
            }
            _ => bail!("a handle cannot {words:?}"),
        }
    }

    /// A descriptor that is no handle, or not quite.
    pub(super) fn descriptor(&self, what: &str, argument: &[&str]) -> anyhow::Result<OwnedFd> {
        let handle = argument.first().and_then(|name| self.handles.get(*name));
        let again = |flags| -> anyhow::Result<OwnedFd> {
            let number = handle.context("which handle?")?.as_fd().as_raw_fd();
            Ok(open(format!("/proc/self/fd/{number}"), flags, Mode::empty())?)
        };
        Ok(match what {
            "file" => File::open("/dev/null")?.into(),
            "folder" => File::open("/")?.into(),
            "memfd" => memfd_create("none", MemfdFlags::CLOEXEC)?,
            "socket" => {
                let (socket, _) = Socket::pair()?;
                socket.as_fd().try_clone_to_owned()?
            }
            "process" => handfast_sys::pidfd::open(argument.first().context("which?")?.parse()?)?,
            "pipe" => rustix::pipe::pipe()?.0,
            "write-end" => rustix::pipe::pipe()?.1,
            "path" => again(OFlags::PATH | OFlags::CLOEXEC)?,
            "reopened" => again(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC)?,
            "writable" => again(OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC)?,
            "copy" => copy(handle.context("which handle?")?.as_fd())?,
            _ => bail!("there is no {what:?}"),
        })
    }
}

fn copy(descriptor: BorrowedFd<'_>) -> anyhow::Result<OwnedFd> {
    Ok(descriptor.try_clone_to_owned()?)
}

fn inheriting(handle: &Handle) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["inherited", &handle.as_fd().as_raw_fd().to_string()]);
    Ok(command)
}

fn start(handle: &Handle) -> anyhow::Result<String> {
    let output = inheriting(handle)?.output()?;
    let said = String::from_utf8(output.stdout)?;
    Ok(said.lines().next().unwrap_or("nothing").to_owned())
}

fn accept(listener: &Listener) -> anyhow::Result<OwnedFd> {
    let mut socket = listener.accept()?;
    while socket.is_none() {
        std::thread::sleep(Duration::from_millis(1));
        socket = listener.accept()?;
    }
    let socket = socket.context("it came")?;
    let mut buffer = [0; 64];
    let Incoming::Message(received) = socket.receive(&mut buffer, Blocking::Wait)? else {
        bail!("no message")
    };
    received.descriptors.into_iter().next().context("no descriptor")
}
