//! Raw frames: the planes of each frame one after the other, nothing else.

use std::io::{self, ErrorKind, Read, Write};

use super::picture::{Kind, Picture, PictureDesc, PictureError, PictureMut};

/// Reads raw frames.
#[derive(Debug)]
pub(crate) struct RawReader<R> {
    input: R,
    kind: Kind,
    frames: u64,
}

/// Writes raw frames, of any size and format.
#[derive(Debug)]
pub(crate) struct RawWriter<W> {
    output: W,
}

/// Why raw frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RawError {
    /// The input ends inside a frame.
    #[error(
        "the input ends inside frame {frame}: {got} of {wanted} bytes; \
         is it really {kind}? (--size WIDTHxHEIGHT --format NAME)"
    )]
    Truncated {
        /// The frame, from 0.
        frame: u64,
        /// The bytes that came.
        got: u64,
        /// The bytes of a frame.
        wanted: u64,
        /// What a frame was said to be.
        kind: Kind,
    },
    /// The place for the frame is of another size or format.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: Read> RawReader<R> {
    /// Reads frames of this size and format; the layout of `desc` does not matter.
    pub(crate) fn new(input: R, desc: &PictureDesc) -> Self {
        Self { input, kind: desc.kind(), frames: 0 }
    }

    /// Reads the next frame into a place for it; false at the end of the input.
    pub(crate) fn read_into(&mut self, picture: &mut PictureMut<'_>) -> Result<bool, RawError> {
        let (found, wanted) = (picture.desc().kind(), self.kind);
        if found != wanted {
            return Err(PictureError::Mismatch { found, wanted }.into());
        }
        let (got, wanted) = (read_planes(&mut self.input, picture)?, picture.desc().packed_bytes());
        if got == wanted {
            self.frames += 1;
        } else if got > 0 {
            return Err(RawError::Truncated { frame: self.frames, got, wanted, kind: self.kind });
        }
        Ok(got == wanted)
    }
}

impl<W: Write> RawWriter<W> {
    /// Writes frames.
    pub(crate) fn new(output: W) -> Self {
        Self { output }
    }

    /// Writes one frame without padding.
    pub(crate) fn write_frame(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        write_planes(&mut self.output, picture)
    }

    /// Hands over what is still buffered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Reads all planes straight into their place; returns the bytes read, fewer than wanted only at
/// the end of the input.
pub(crate) fn read_planes(input: &mut impl Read, picture: &mut PictureMut<'_>) -> io::Result<u64> {
    let mut total = 0;
    for plane in 0..picture.desc().format.plane_count() {
        for span in picture.spans_mut(plane) {
            let (got, wanted) = (read_fully(input, span)?, span.len());
            total += u64::try_from(got).unwrap_or(u64::MAX);
            if got < wanted {
                return Ok(total);
            }
        }
    }
    Ok(total)
}

/// Writes the pixels of all planes without padding.
pub(crate) fn write_planes(output: &mut impl Write, picture: &Picture<'_>) -> io::Result<()> {
    for plane in 0..picture.desc().format.plane_count() {
        picture.spans(plane).try_for_each(|span| output.write_all(span))?;
    }
    Ok(())
}

fn read_fully(input: &mut impl Read, mut place: &mut [u8]) -> io::Result<usize> {
    let mut total = 0;
    while !place.is_empty() {
        match input.read(place) {
            Ok(0) => break,
            Ok(got) => {
                total += got;
                place = place.get_mut(got..).unwrap_or_default();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::super::picture::OwnedPicture;
    use super::super::{Alignment, Format};
    use super::*;

    #[test]
    fn frames_of_every_format_round_trip() {
        for format in Format::ALL {
            let desc = PictureDesc::new(5, 3, format, Alignment::DEFAULT).unwrap();
            let size = usize::try_from(desc.packed_bytes()).unwrap();
            let file: Vec<u8> = (0..=250).cycle().take(size * 2).collect();
            let mut reader = RawReader::new(file.as_slice(), &desc);
            let mut writer = RawWriter::new(Vec::new());
            let mut slot = OwnedPicture::new(desc).unwrap();
            while reader.read_into(&mut slot.as_picture_mut()).unwrap() {
                writer.write_frame(&slot.as_picture()).unwrap();
            }
            assert_eq!(writer.output, file, "{format}");
        }
    }

    #[test]
    fn a_truncated_frame_says_which_and_how_much() {
        let desc = PictureDesc::tight(5, 3, Format::I420).unwrap();
        let mut reader = RawReader::new([7; 40].as_slice(), &desc);
        let mut picture = OwnedPicture::new(desc).unwrap();
        assert!(reader.read_into(&mut picture.as_picture_mut()).unwrap());
        let error = reader.read_into(&mut picture.as_picture_mut()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the input ends inside frame 1: 13 of 27 bytes; is it really 5x3 I420? \
             (--size WIDTHxHEIGHT --format NAME)"
        );
    }

    #[test]
    fn a_place_of_another_size_is_refused() {
        let desc = PictureDesc::tight(5, 3, Format::I420).unwrap();
        let mut other = OwnedPicture::new(PictureDesc::tight(5, 4, Format::I420).unwrap()).unwrap();
        let error = RawReader::new(io::empty(), &desc).read_into(&mut other.as_picture_mut());
        assert_eq!(
            error.unwrap_err().to_string(),
            "a picture of 5x4 I420 where 5x3 I420 is expected"
        );
    }
}
