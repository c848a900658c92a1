//! YUV4MPEG2, the format of `ffmpeg -f yuv4mpegpipe`: a header line, then frames.
//!
//! The header says nothing about the matrix; like players do, pictures of up to 576 rows and less
//! than 1280 columns are taken as BT.601, larger ones as BT.709. Without `XCOLORRANGE` the range is
//! limited.

use std::io::{self, BufRead, Read, Write};

use super::picture::{Kind, Picture, PictureDesc, PictureError, PictureMut};
use super::raw::{read_planes, write_planes};
use super::{Color, Format, LayoutError, Range};

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 4096;
const MAGIC: &[u8] = b"YUV4MPEG2";
const COLORS: &str = "420, 420jpeg, 420mpeg2, 420paldv, 422, 444, mono, 420p10, 422p10, 444p10";

/// What the header line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels.
    pub(crate) height: u32,
    /// How pixels are arranged; [`Format::R8`] for `Cmono`.
    pub(crate) format: Format,
    /// Frames per second as a fraction, where it is known.
    pub(crate) rate: Option<(u32, u32)>,
    /// The shape of a pixel, width to height, where it is known.
    pub(crate) aspect: Option<(u32, u32)>,
    /// What the values mean; only the range is in the file.
    pub(crate) color: Color,
    /// Where chroma samples lie in 8-bit 4:2:0.
    pub(crate) siting: Siting,
}

/// Where chroma samples lie in 8-bit 4:2:0. It does not change a byte of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Siting {
    /// `C420jpeg` and `C420`: amid four luma samples.
    #[default]
    Jpeg,
    /// `C420mpeg2`: beside the left luma samples.
    Mpeg2,
    /// `C420paldv`: on luma samples, Cb and Cr on alternate rows.
    Paldv,
}

/// Reads frames.
#[derive(Debug)]
pub(crate) struct Y4mReader<R> {
    input: R,
    header: Header,
    line: Vec<u8>,
    desc: PictureDesc,
    frames: u64,
}

/// Writes frames.
#[derive(Debug)]
pub(crate) struct Y4mWriter<W> {
    output: W,
    kind: Kind,
}

/// Why a file is not YUV4MPEG2 that this program reads or writes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Y4mError {
    /// There is nothing at all.
    #[error("the input is empty: YUV4MPEG2 starts with a header line")]
    Empty,
    /// It starts with something else.
    #[error(
        "this is not YUV4MPEG2: it starts with {start:?}; \
         make it with ffmpeg -f yuv4mpegpipe, or give --size and --format for raw frames"
    )]
    Magic {
        /// How it starts.
        start: String,
    },
    /// A line does not end.
    #[error(
        "{what} is longer than {LINE_BYTES_MAX} bytes: this is not YUV4MPEG2, or it is damaged"
    )]
    LineTooLong {
        /// Which line.
        what: &'static str,
    },
    /// The input ends inside the header line.
    #[error("the input ends inside the header line, after {bytes} bytes")]
    HeaderTruncated {
        /// The bytes that came.
        bytes: usize,
    },
    /// A part of the header that this program cannot use.
    #[error("the y4m header says {token:?}: supported is {supported}")]
    Token {
        /// The part.
        token: String,
        /// What could stand there.
        supported: &'static str,
    },
    /// A part of the header is not there.
    #[error("the y4m header has no {what}")]
    Missing {
        /// Which part.
        what: &'static str,
    },
    /// The size is impossible.
    #[error("the y4m header asks for {0}")]
    Size(#[from] LayoutError),
    /// Something else where a frame should start.
    #[error("frame {frame} starts with {start:?} instead of FRAME: the file is damaged")]
    FrameStart {
        /// The frame, from 0.
        frame: u64,
        /// How it starts.
        start: String,
    },
    /// The input ends inside a frame.
    #[error("the input ends inside frame {frame}: {got} of {wanted} bytes")]
    Truncated {
        /// The frame, from 0.
        frame: u64,
        /// The bytes that came.
        got: u64,
        /// The bytes of a frame.
        wanted: u64,
    },
    /// A format that y4m does not have.
    #[error("y4m has no {format}: choose one of r8, i420, i422, i444, i420p10, i422p10, i444p10")]
    Format {
        /// The format.
        format: Format,
    },
    /// A frame of another size or format; y4m cannot change in mid-file.
    #[error("y4m cannot change in mid-file: {0}")]
    Picture(#[from] PictureError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Header {
    /// A header without a rate.
    pub(crate) fn new(width: u32, height: u32, format: Format, color: Color) -> Self {
        let siting = Siting::default();
        Self { width, height, format, rate: None, aspect: None, color, siting }
    }

    /// Reads a header line, without its end.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Y4mError> {
        let mut words = line.split(|&byte| byte == b' ');
        if words.next() != Some(MAGIC) {
            return Err(Y4mError::Magic { start: quoted(line) });
        }
        let (mut width, mut height, mut color, mut subsampling) = (None, None, None, None);
        let (mut rate, mut aspect, mut range) = (None, None, Range::Limited);
        for word in words.filter(|word| !word.is_empty()) {
            let refused = |supported| Y4mError::Token { token: quoted(word), supported };
            let text = str::from_utf8(word).map_err(|_| refused("plain text"))?;
            let (tag, value) = text.split_at_checked(1).ok_or_else(|| refused("plain text"))?;
            match tag {
                "W" | "H" => {
                    let side = value.parse().map_err(|_| refused("a number of pixels"))?;
                    *(if tag == "W" { &mut width } else { &mut height }) = Some(side);
                }
                "F" => rate = ratio(value).ok_or_else(|| refused("a rate like F30:1"))?,
                "A" => aspect = ratio(value).ok_or_else(|| refused("an aspect like A1:1"))?,
                "I" if matches!(value, "p" | "?") => {}
                "I" => return Err(refused("progressive video, Ip; deinterlace it before")),
                "C" => color = Some(chroma(value).ok_or_else(|| refused(COLORS))?),
                "X" => match value.split_once('=') {
                    Some(("YSCSS", value)) => {
                        subsampling =
                            Some(chroma(&value.to_lowercase()).ok_or_else(|| refused(COLORS))?);
                    }
                    Some(("COLORRANGE", "FULL")) => range = Range::Full,
                    Some(("COLORRANGE", "LIMITED")) => range = Range::Limited,
                    Some(("COLORRANGE", _)) => return Err(refused("FULL or LIMITED")),
                    _ => {}
                },
                _ => return Err(refused("W, H, F, I, A, C and X")),
            }
        }
        let width = width.ok_or(Y4mError::Missing { what: "width (W)" })?;
        let height = height.ok_or(Y4mError::Missing { what: "height (H)" })?;
        super::check_size(width, height)?;
        let (format, siting) = color.or(subsampling).unwrap_or((Format::I420, Siting::Jpeg));
        let color = Color { range, ..guessed_color(width, height) };
        Ok(Self { width, height, format, rate, aspect, color, siting })
    }

    /// The header line as ffmpeg writes it.
    fn line(&self) -> Result<String, Y4mError> {
        let chroma = match (self.format, self.siting) {
            (Format::I420, Siting::Jpeg) => "420jpeg XYSCSS=420JPEG",
            (Format::I420, Siting::Mpeg2) => "420mpeg2 XYSCSS=420MPEG2",
            (Format::I420, Siting::Paldv) => "420paldv XYSCSS=420PALDV",
            (Format::I422, _) => "422 XYSCSS=422",
            (Format::I444, _) => "444 XYSCSS=444",
            (Format::I420p10, _) => "420p10 XYSCSS=420P10",
            (Format::I422p10, _) => "422p10 XYSCSS=422P10",
            (Format::I444p10, _) => "444p10 XYSCSS=444P10",
            (Format::R8, _) => "mono",
            (format, _) => return Err(Y4mError::Format { format }),
        };
        let range = match self.color.range {
            Range::Limited => "LIMITED",
            Range::Full => "FULL",
        };
        let ((rate, per), (wide, high)) =
            (self.rate.unwrap_or((0, 0)), self.aspect.unwrap_or((0, 0)));
        let Self { width, height, .. } = self;
        Ok(format!(
            "YUV4MPEG2 W{width} H{height} F{rate}:{per} Ip A{wide}:{high} C{chroma} \
             XCOLORRANGE={range}\n"
        ))
    }
}

impl<R: BufRead> Y4mReader<R> {
    /// Reads the header line.
    pub(crate) fn new(mut input: R) -> Result<Self, Y4mError> {
        let mut line = Vec::new();
        let ended = read_line(&mut input, &mut line)?;
        let is_magic = line.starts_with(MAGIC);
        match ended {
            _ if line.is_empty() && ended == Line::End => return Err(Y4mError::Empty),
            _ if !is_magic => return Err(Y4mError::Magic { start: quoted(&line) }),
            Line::Complete => {}
            Line::TooLong => return Err(Y4mError::LineTooLong { what: "the y4m header line" }),
            Line::End => return Err(Y4mError::HeaderTruncated { bytes: line.len() }),
        }
        let header = Header::parse(&line)?;
        let desc = PictureDesc::tight(header.width, header.height, header.format)?;
        Ok(Self { input, header, line, desc: desc.with_color(header.color), frames: 0 })
    }

    /// Reads the next frame straight into a place for it, which may be padded; false at the end.
    pub(crate) fn read_into(&mut self, picture: &mut PictureMut<'_>) -> Result<bool, Y4mError> {
        let (found, wanted) = (picture.desc().kind(), self.desc.kind());
        if found != wanted {
            return Err(PictureError::Mismatch { found, wanted }.into());
        }
        let mut line = Vec::new();
        let ended = read_line(&mut self.input, &mut line)?;
        if line.is_empty() && ended == Line::End {
            return Ok(false);
        }
        let (frame, wanted) = (self.frames, self.desc.packed_bytes());
        if ended == Line::End && b"FRAME".starts_with(&line) {
            return Err(Y4mError::Truncated { frame, got: 0, wanted });
        }
        if !(line == b"FRAME" || line.starts_with(b"FRAME ")) {
            return Err(Y4mError::FrameStart { frame, start: quoted(&line) });
        }
        if ended == Line::TooLong {
            return Err(Y4mError::LineTooLong { what: "the header line of a frame" });
        }
        let got = read_planes(&mut self.input, picture)?;
        if got < wanted {
            return Err(Y4mError::Truncated { frame, got, wanted });
        }
        self.frames += 1;
        Ok(true)
    }

    /// What the header line says.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The header line itself, without its end.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// What each frame is, without padding.
    pub(crate) fn desc(&self) -> &PictureDesc {
        &self.desc
    }
}

impl<W: Write> Y4mWriter<W> {
    /// Writes the header line.
    pub(crate) fn new(mut output: W, header: &Header) -> Result<Self, Y4mError> {
        let desc = PictureDesc::tight(header.width, header.height, header.format)?;
        output.write_all(header.line()?.as_bytes())?;
        Ok(Self { output, kind: desc.kind() })
    }

    /// Writes a header line that somebody else has made, as it is.
    pub(crate) fn with_line(mut output: W, line: &[u8]) -> Result<Self, Y4mError> {
        let header = Header::parse(line)?;
        let desc = PictureDesc::tight(header.width, header.height, header.format)?;
        output.write_all(line)?;
        output.write_all(b"\n")?;
        Ok(Self { output, kind: desc.kind() })
    }

    /// Writes one frame.
    pub(crate) fn write_frame(&mut self, picture: &Picture<'_>) -> Result<(), Y4mError> {
        let (found, wanted) = (picture.desc().kind(), self.kind);
        if found != wanted {
            return Err(PictureError::Mismatch { found, wanted }.into());
        }
        self.output.write_all(b"FRAME\n")?;
        Ok(write_planes(&mut self.output, picture)?)
    }

    /// Hands over what is still buffered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// How reading a line went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Complete,
    TooLong,
    End,
}

/// Reads up to a line feed, which is left out.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = input.by_ref().take(limit).read_until(b'\n', line)?;
    Ok(if line.pop_if(|byte| *byte == b'\n').is_some() {
        Line::Complete
    } else if read == LINE_BYTES_MAX {
        Line::TooLong
    } else {
        Line::End
    })
}

fn chroma(name: &str) -> Option<(Format, Siting)> {
    Some(match name {
        "420" | "420jpeg" => (Format::I420, Siting::Jpeg),
        "420mpeg2" => (Format::I420, Siting::Mpeg2),
        "420paldv" => (Format::I420, Siting::Paldv),
        "422" => (Format::I422, Siting::Jpeg),
        "444" => (Format::I444, Siting::Jpeg),
        "mono" => (Format::R8, Siting::Jpeg),
        "420p10" => (Format::I420p10, Siting::Jpeg),
        "422p10" => (Format::I422p10, Siting::Jpeg),
        "444p10" => (Format::I444p10, Siting::Jpeg),
        _ => return None,
    })
}

/// Reads `30:1`; the inner `None` is the 0 that stands for unknown.
fn ratio(text: &str) -> Option<Option<(u32, u32)>> {
    let (a, b) = text.split_once(':')?;
    let (a, b) = (a.parse().ok()?, b.parse().ok()?);
    Some((a > 0 && b > 0).then_some((a, b)))
}

fn guessed_color(width: u32, height: u32) -> Color {
    if width >= 1280 || height > 576 { Color::BT709_LIMITED } else { Color::BT601_LIMITED }
}

/// The start of something from a file, fit to be shown.
fn quoted(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..48).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests;
