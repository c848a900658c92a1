//! Orders to surfaces and sections.

use std::os::fd::AsRawFd as _;

use anyhow::bail;
use handfast::{Format, Section, Surface, SurfaceDesc, SurfaceFlags, Writers};

use rustix::fs::{Mode, OFlags};

use super::{Objects, access, found, name, ok};
use crate::number;
use crate::process::map_writable;

impl Objects {
    pub(super) fn surface(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let made = match words {
            ["new", form, rest @ ..] => Surface::with_writers(desc(form, rest)?, writers(rest))?,
            ["create", name, form, rest @ ..] => {
                Surface::with_writers(desc(form, rest)?, writers(rest))?.named(name)?
            }
            ["open", name] => Surface::open(name)?,
            ["open", name, rights] => Surface::open_with(name, access(rights)?)?,
            ["of", handle] => Surface::open_handle(found(&self.handles, handle)?)?,
            ["drop"] => {
                found(&self.surfaces, register)?;
                self.surfaces.remove(register);
                return ok();
            }
            _ => return self.use_surface(register, words),
        };
        self.surfaces.insert(register.into(), made);
        ok()
    }

    fn use_surface(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let Some(surface) = self.surfaces.get_mut(register) else { bail!("no {register}") };
        match words {
            ["share", to, rights, handle] => {
                let shared = surface.share(name(to), access(rights)?)?;
                self.handles.insert((*handle).into(), shared);
                ok()
            }
            ["size"] => Ok(surface.size_bytes().to_string()),
            ["subresources"] => Ok(surface.desc().subresources().to_string()),
            // Each byte is what its place and the seed say.
            ["draw", seed] => {
                let seed = number(seed)?;
                let size = surface.size_bytes();
                let bytes: Vec<u8> = (0..size).map(|place| pixel(seed, place)).collect();
                match surface.bytes_mut() {
                    Some(target) => target.copy_from_slice(&bytes),
                    None => surface.write(0, &bytes)?,
                }
                ok()
            }
            ["check", seed] => check(surface, number(seed)?),
            ["row", subresource, plane, row, byte] => {
                let (subresource, row) = (number(subresource)?, number(row)?);
                let (subresource, row) = (u32::try_from(subresource)?, u32::try_from(row)?);
                let row = surface.row_mut(subresource, usize::try_from(number(plane)?)?, row)?;
                row.fill(u8::try_from(number(byte)?)?);
                Ok(row.len().to_string())
            }
            ["in-place"] => Ok(surface.bytes_mut().map_or("none", |_| "some").into()),
            ["copy", index] => {
                let mut bytes = Vec::new();
                let found = surface.copy_subresource(u32::try_from(number(index)?)?, &mut bytes)?;
                Ok(format!("{} at {}", bytes.len(), found.offset_bytes))
            }
            ["read", offset, length] => {
                let mut bytes = vec![0; usize::try_from(number(length)?)?];
                surface.read(number(offset)?, &mut bytes)?;
                Ok(hex(&bytes))
            }
            ["write", offset, byte, length] => {
                let byte = u8::try_from(number(byte)?)?;
                surface.write(number(offset)?, &vec![byte; usize::try_from(number(length)?)?])?;
                ok()
            }
            ["object"] => Ok(format!("{:?}", surface.object())),
            ["access"] => Ok(format!("{:08x}", surface.access().bits())),
            _ => super::mutex::order(surface, words),
        }
    }

    pub(super) fn section(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let made = match words {
            ["create", name, size, rest @ ..] => {
                Section::with_writers(number(size)?, writers(rest))?.named(name)?
            }
            ["open", name] => Section::open(name)?,
            ["open", name, rights] => Section::open_with(name, access(rights)?)?,
            ["of", handle] => Section::open_handle(found(&self.handles, handle)?)?,
            ["drop"] => {
                found(&self.sections, register)?;
                self.sections.remove(register);
                return ok();
            }
            _ => return self.use_section(register, words),
        };
        self.sections.insert(register.into(), made);
        ok()
    }

    fn use_section(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let Some(section) = self.sections.get_mut(register) else { bail!("no {register}") };
        match words {
            ["share", to, rights, handle] => {
                let shared = section.share(name(to), access(rights)?)?;
                self.handles.insert((*handle).into(), shared);
                ok()
            }
            ["read", offset, length] => {
                let mut bytes = vec![0; usize::try_from(number(length)?)?];
                section.read(number(offset)?, &mut bytes)?;
                Ok(hex(&bytes))
            }
            ["write", offset, byte, length] => {
                let byte = u8::try_from(number(byte)?)?;
                section.write(number(offset)?, &vec![byte; usize::try_from(number(length)?)?])?;
                ok()
            }
            ["size"] => Ok(section.size_bytes().to_string()),
            _ => bail!("a section cannot {words:?}"),
        }
    }
}

/// What the kernel says to writing a surface's memory through its descriptor, which the library
/// does not keep: as it came, mapped, and opened again.
pub(super) fn kernel_answers(name: &str) -> anyhow::Result<String> {
    let memory = crate::connection::Connection::open()?.surface(name)?;
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let written = answer(rustix::io::pwrite(&memory, &[1], 0));
    let mapped = answer(map_writable(&memory));
    let again = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let (reopened, remapped) =
        (answer(rustix::io::pwrite(&again, &[1], 0)), answer(map_writable(&again)));
    Ok(format!("written: {written} mapped: {mapped} reopened: {reopened} {remapped}"))
}

fn answer<T>(result: Result<T, rustix::io::Errno>) -> String {
    match result {
        Ok(_) => "allowed".into(),
        Err(rustix::io::Errno::PERM) => "EPERM".into(),
        Err(other) => other.to_string(),
    }
}

/// `buffer:BYTES`, `WxH:FORMAT:LAYERS:MIPS`; among the rest perhaps `keyed`.
fn desc(form: &str, rest: &[&str]) -> anyhow::Result<SurfaceDesc> {
    let words: Vec<&str> = form.split(':').collect();
    let mut desc = match words.as_slice() {
        ["buffer", bytes] => SurfaceDesc::buffer(number(bytes)?),
        [size, format, layers, mips] => {
            let Some((width, height)) = size.split_once('x') else { bail!("{size}") };
            let format = match *format {
                "bgra" => Format::Bgra8,
                "nv12" => Format::Nv12,
                _ => bail!("there is no format {format:?}"),
            };
            let (width, height) = (number(width)?, number(height)?);
            SurfaceDesc {
                layers: u32::try_from(number(layers)?)?,
                mips: u32::try_from(number(mips)?)?,
                ..SurfaceDesc::texture_2d(u32::try_from(width)?, u32::try_from(height)?, format)
            }
        }
        _ => bail!("there is no form {form:?}"),
    };
    if rest.contains(&"keyed") {
        desc.flags |= SurfaceFlags::KEYED_MUTEX;
    }
    Ok(desc)
}

fn writers(rest: &[&str]) -> Writers {
    if rest.contains(&"several") { Writers::Several } else { Writers::One }
}

fn pixel(seed: u64, place: u64) -> u8 {
    let [byte, ..] = (place.wrapping_mul(31) ^ (place >> 8) ^ seed).to_le_bytes();
    byte
}

/// Looks at every byte, at once and by subresources.
fn check(surface: &Surface, seed: u64) -> anyhow::Result<String> {
    let mut bytes = vec![0; usize::try_from(surface.size_bytes())?];
    surface.read(0, &mut bytes)?;
    let wrong = (0_u64..).zip(&bytes).find(|(place, byte)| **byte != pixel(seed, *place));
    if let Some((place, byte)) = wrong {
        bail!("byte {place} is {byte}");
    }
    let mut some = Vec::new();
    for index in 0..surface.desc().subresources() {
        let found = surface.copy_subresource(index, &mut some)?;
        let places = found.offset_bytes..found.offset_bytes + found.size_bytes;
        if places.zip(&some).any(|(place, byte)| *byte != pixel(seed, place)) {
            bail!("subresource {index} differs");
        }
    }
    Ok(format!("{} bytes", bytes.len()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
