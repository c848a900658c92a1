//! Where the frames of `recv` go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use handfast::{Color, Format};

use crate::args::{OutputFormat, RecvArgs};
use crate::media::convert;
use crate::media::picture::{OwnedPicture, Picture, PictureDesc};
use crate::media::png;
use crate::media::raw::RawWriter;
use crate::media::y4m::{Header, Y4mWriter};

/// Bytes go here.
type Bytes = Box<dyn Write>;

enum Sink {
    /// Nothing has come yet.
    Waiting(Bytes),
    Y4m(Y4mWriter<Bytes>, Option<Format>),
    Raw(RawWriter<Bytes>),
    Pictures(Pictures),
}

enum Pictures {
    Many(png::Sequence),
    One(PathBuf),
}

/// The place for received frames.
pub(crate) struct Output {
    sink: Option<Sink>,
    format: OutputFormat,
    name: String,
    /// Whether it goes to standard output.
    standard: bool,
    frames: u64,
}

impl Output {
    /// Opens what the command line names; a file is made empty.
    pub(crate) fn open(args: &RecvArgs) -> anyhow::Result<Self> {
        let standard = args.output == Path::new("-");
        let format = args.as_format.unwrap_or_else(|| guess(&args.output));
        let text = args.output.to_string_lossy();
        let name = if standard { "standard output".into() } else { text.to_string() };
        if format == OutputFormat::Png {
            if standard {
                bail!("PNG goes to files: give -o frame-%04d.png, or one name for the last frame");
            }
            let pictures = if png::Sequence::is_one(&text) {
                Pictures::Many(png::Sequence::parse(&text)?)
            } else {
                Pictures::One(args.output.clone())
            };
            return Ok(Self {
                sink: Some(Sink::Pictures(pictures)),
                format,
                name,
                standard,
                frames: 0,
            });
        }
        let bytes: Bytes = if standard {
            Box::new(BufWriter::with_capacity(1 << 20, io::stdout()))
        } else {
            let file =
                File::create(&args.output).with_context(|| format!("{name} cannot be written"))?;
            Box::new(BufWriter::with_capacity(1 << 20, file))
        };
        Ok(Self { sink: Some(Sink::Waiting(bytes)), format, name, standard, frames: 0 })
    }

    /// Writes one frame. `text` is what the sender says of the stream.
    pub(crate) fn write(&mut self, picture: &Picture<'_>, text: &str) -> anyhow::Result<()> {
        self.frames += 1;
        let frame = self.frames;
        let sink = match self.sink.take() {
            Some(Sink::Waiting(bytes)) => start(bytes, self.format, picture.desc(), text)
                .with_context(|| self.name.clone())?,
            Some(sink) => sink,
            None => bail!("{}: an earlier frame could not be written", self.name),
        };
        self.sink = Some(sink);
        let Some(sink) = &mut self.sink else { return Ok(()) };
        sink.write(picture, frame).with_context(|| self.name.clone())?;
        // Whoever reads a pipe wants the frame now, not when the buffer is full.
        if self.standard { self.finish() } else { Ok(()) }
    }

    /// Hands over what is still buffered.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.sink {
            Some(Sink::Y4m(writer, _)) => writer.flush(),
            Some(Sink::Raw(writer)) => writer.flush(),
            Some(Sink::Waiting(bytes)) => bytes.flush(),
            Some(Sink::Pictures(_)) | None => Ok(()),
        }
        .with_context(|| self.name.clone())
    }
}

fn start(
    bytes: Bytes,
    format: OutputFormat,
    desc: &PictureDesc,
    text: &str,
) -> anyhow::Result<Sink> {
    if format == OutputFormat::Raw {
        return Ok(Sink::Raw(RawWriter::new(bytes)));
    }
    // y4m knows no RGB: such a stream is written as I444, which keeps its resolution.
    let (target, color) = match (desc.format, desc.format.is_yuv()) {
        (Format::Nv12, _) => (Some(Format::I420), desc.color),
        (Format::P010, _) => (Some(Format::I420p10), desc.color),
        (Format::R8, _) | (_, true) => (None, desc.color),
        (_, false) => (Some(Format::I444), Color::BT709_LIMITED),
    };
    let said = Header::parse(text.as_bytes()).ok();
    let same = |said: &Header| {
        (said.width, said.height, said.format) == (desc.width, desc.height, desc.format)
    };
    if target.is_none() && said.as_ref().is_some_and(same) {
        return Ok(Sink::Y4m(Y4mWriter::with_line(bytes, text.as_bytes())?, None));
    }
    let mut header = Header::new(desc.width, desc.height, target.unwrap_or(desc.format), color);
    header.rate = said.and_then(|said| said.rate);
    Ok(Sink::Y4m(Y4mWriter::new(bytes, &header)?, target))
}

impl Sink {
    fn write(&mut self, picture: &Picture<'_>, frame: u64) -> anyhow::Result<()> {
        match self {
            Self::Waiting(_) => Ok(()),
            Self::Y4m(writer, None) => Ok(writer.write_frame(picture)?),
            Self::Y4m(writer, Some(format)) => {
                let desc = picture.desc();
                let target = PictureDesc::tight(desc.width, desc.height, *format)?;
                let color = if desc.format.is_yuv() { desc.color } else { Color::BT709_LIMITED };
                let mut converted = OwnedPicture::new(target.with_color(color))?;
                convert::convert(picture, &mut converted.as_picture_mut())?;
                Ok(writer.write_frame(&converted.as_picture())?)
            }
            Self::Raw(writer) => Ok(writer.write_frame(picture)?),
            Self::Pictures(pictures) => {
                let path = match pictures {
                    Pictures::Many(sequence) => sequence.path(frame),
                    Pictures::One(path) => path.clone(),
                };
                Ok(png::write_file(&path, picture)?)
            }
        }
    }
}

fn guess(path: &Path) -> OutputFormat {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("raw" | "rgb" | "rgba" | "bgra" | "yuv") => OutputFormat::Raw,
        Some("png") => OutputFormat::Png,
        _ => OutputFormat::Y4m,
    }
}
