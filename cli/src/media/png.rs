//! PNG files and numbered sequences of them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::convert::to_rgba8;
use super::picture::{OwnedPicture, Picture, PictureDesc, PictureError};
use super::{Alpha, Format};

/// The files of a sequence: a name with one `%d` or `%04d` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    before: String,
    digits: usize,
    after: String,
}

/// Why a PNG cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PngError {
    /// It is not a PNG, or damaged.
    #[error("this is not a PNG, or it is damaged: {0}")]
    Decode(#[source] png::DecodingError),
    /// It would take too much memory, or is otherwise not to be written.
    #[error("the PNG cannot be written: {0}")]
    Encode(#[source] png::EncodingError),
    /// Its size is impossible here.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The name has no number in it.
    #[error("{name:?} has no place for a number: write it like frame-%04d.png")]
    NoNumber {
        /// The name.
        name: String,
    },
    /// Not a file of the sequence is there.
    #[error("there is no {}: a sequence starts with number 0 or 1", path.display())]
    NoFile {
        /// The first file looked for.
        path: PathBuf,
    },
}

/// Reads a PNG of any kind as RGBA8 in sRGB with straight alpha, opaque where it has no alpha; 16
/// bits are cut to 8.
pub(crate) fn read(input: impl BufRead + Seek) -> Result<OwnedPicture, PngError> {
    let mut decoder = png::Decoder::new(input);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(PngError::from)?;
    let mut desc = PictureDesc::tight(header.width, header.height, Format::Rgba8)
        .map_err(PictureError::from)?;
    let mut reader = decoder.read_info()?;
    let size_bytes = desc.layout.size_bytes;
    let length = reader.output_buffer_size().ok_or(PictureError::Memory { size_bytes })?;
    let mut bytes = vec![0; length];
    let frame = reader.next_frame(&mut bytes)?;
    let has_alpha =
        matches!(frame.color_type, png::ColorType::Rgba | png::ColorType::GrayscaleAlpha);
    desc = desc.with_alpha(if has_alpha { Alpha::Straight } else { Alpha::Opaque });
    if frame.color_type == png::ColorType::Rgba {
        return Ok(OwnedPicture::from_bytes(desc, bytes)?);
    }
    let mut picture = OwnedPicture::new(desc)?;
    let mut rows = picture.as_picture_mut();
    let lines = bytes.chunks(frame.line_size.max(1));
    for (out, line) in rows.rows_mut(0).zip(lines) {
        let out = out.as_chunks_mut().0.iter_mut();
        match frame.color_type {
            png::ColorType::Grayscale | png::ColorType::Indexed => {
                out.zip(line).for_each(|(out, &v)| *out = [v, v, v, 255]);
            }
            png::ColorType::GrayscaleAlpha => {
                out.zip(line.as_chunks().0).for_each(|(out, &[v, a])| *out = [v, v, v, a]);
            }
            png::ColorType::Rgb => {
                out.zip(line.as_chunks().0).for_each(|(out, &[r, g, b])| *out = [r, g, b, 255]);
            }
            png::ColorType::Rgba => {
                out.zip(line.as_chunks().0).for_each(|(out, px)| *out = *px);
            }
        }
    }
    Ok(picture)
}

/// Reads a PNG file.
pub(crate) fn read_file(path: &Path) -> Result<OwnedPicture, PngError> {
    read(BufReader::new(File::open(path)?))
}

/// Writes a picture of any format as a PNG of RGBA8 in sRGB with straight alpha.
pub(crate) fn write(output: impl Write, picture: &Picture<'_>) -> Result<(), PngError> {
    let rgba = to_rgba8(picture)?;
    let mut encoder = png::Encoder::new(output, rgba.desc().width, rgba.desc().height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgba.bytes())?;
    Ok(writer.finish()?)
}

/// Writes a PNG file; a file that could not be finished is removed.
pub(crate) fn write_file(path: &Path, picture: &Picture<'_>) -> Result<(), PngError> {
    let mut output = BufWriter::new(File::create(path)?);
    let written = write(&mut output, picture).and_then(|()| output.flush().map_err(PngError::from));
    drop(output);
    if written.is_err() && fs::metadata(path).is_ok_and(|file| file.is_file()) {
        // What failed is what the user should read about, not this.
        drop(fs::remove_file(path));
    }
    written
}

impl Sequence {
    /// Whether a name asks for a sequence.
    pub(crate) fn is_one(name: &str) -> bool {
        Self::parse(name).is_ok()
    }

    /// Reads a name like `frame-%04d.png`; `%%` stands for a percent sign.
    pub(crate) fn parse(name: &str) -> Result<Self, PngError> {
        let refused = || PngError::NoNumber { name: name.to_owned() };
        let (mut before, mut digits, mut text) = (String::new(), None, String::new());
        let mut rest = name;
        while let Some((plain, after)) = rest.split_once('%') {
            text.push_str(plain);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (width, after) = after.split_once('d').ok_or_else(refused)?;
            let is_width = width.len() <= 3 && width.chars().all(|c| c.is_ascii_digit());
            if digits.is_some() || !(width.is_empty() || width.starts_with('0') && is_width) {
                return Err(refused());
            }
            digits = Some(width.parse().unwrap_or(0));
            before = std::mem::take(&mut text);
            rest = after;
        }
        text.push_str(rest);
        Ok(Self { before, digits: digits.ok_or_else(refused)?, after: text })
    }

    /// The name of one file.
    pub(crate) fn path(&self, number: u64) -> PathBuf {
        let Self { before, digits, after } = self;
        PathBuf::from(format!("{before}{number:0digits$}{after}"))
    }

    /// The files that are there, from number 0 or 1 up to the first gap.
    pub(crate) fn existing(&self) -> Result<impl Iterator<Item = PathBuf> + use<>, PngError> {
        let first = (0..=1).find(|&number| self.path(number).exists());
        let first = first.ok_or_else(|| PngError::NoFile { path: self.path(0) })?;
        let sequence = self.clone();
        let paths = (first..).map(move |number| sequence.path(number));
        Ok(paths.take_while(|path| path.exists()))
    }
}

impl From<png::DecodingError> for PngError {
    fn from(error: png::DecodingError) -> Self {
        if let png::DecodingError::IoError(error) = error {
            // A file that ends too early is damaged; what the system says about it helps nobody.
            let is_cut = error.kind() == io::ErrorKind::UnexpectedEof;
            return if is_cut { Self::Decode(error.into()) } else { Self::Io(error) };
        }
        Self::Decode(error)
    }
}

impl From<png::EncodingError> for PngError {
    fn from(error: png::EncodingError) -> Self {
        if let png::EncodingError::IoError(error) = error {
            return Self::Io(error);
        }
        Self::Encode(error)
    }
}

#[cfg(test)]
mod tests;
