//! Where the frames of `send` come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use handfast::{Alpha, Format};

use crate::args::{Rate, SendArgs};
use crate::media::convert;
use crate::media::pattern::Pattern;
use crate::media::picture::{OwnedPicture, PictureDesc, PictureMut};
use crate::media::png;
use crate::media::raw::RawReader;
use crate::media::y4m::Y4mReader;

/// Patterns are sent at this rate unless told otherwise.
const RATE: f64 = 60.0;
const SIZE: (u32, u32) = (1920, 1080);

/// Bytes come from here.
type Bytes = Box<dyn BufRead>;

enum Source {
    Pattern(Pattern),
    Y4m(Y4mReader<Bytes>),
    Raw(RawReader<Bytes>),
    /// Pictures that are the frames one after the other, and the next of them.
    Pictures(std::vec::IntoIter<PathBuf>, Option<OwnedPicture>),
}

/// The frames to send.
pub(crate) struct Input {
    source: Source,
    path: Option<PathBuf>,
    /// What the source yields.
    desc: PictureDesc,
    /// A frame as it came, when it has to be converted.
    staged: Option<OwnedPicture>,
    /// What is sent.
    sent: PictureDesc,
    /// What the command line asks to be sent.
    format: Option<Format>,
    alpha: Option<Alpha>,
    rate: Option<(u32, u32)>,
}

impl Input {
    /// Opens what the command line names, and reads as much as tells what it is.
    pub(crate) fn open(args: &SendArgs) -> anyhow::Result<Self> {
        let standard = Path::new("-");
        let path = args.input.clone().filter(|path| path != standard);
        let (source, desc, rate) = match (args.pattern, &path) {
            (Some(pattern), _) => {
                let (width, height) = args.size.unwrap_or(SIZE);
                let format = args.format.unwrap_or(Format::Bgra8);
                let desc = PictureDesc::tight(width, height, format)?;
                (Source::Pattern(pattern), desc, None)
            }
            (None, Some(path)) if is_png(path) => open_pictures(path)?,
            (None, path) => open_video(path.as_deref(), args)?,
        };
        let (format, alpha, staged) = (args.format, args.alpha, None);
        let mut input = Self { source, path, desc, staged, sent: desc, format, alpha, rate };
        input.settle(desc)?;
        Ok(input)
    }

    /// What each sent frame is, without padding.
    pub(crate) const fn sent_desc(&self) -> &PictureDesc {
        &self.sent
    }

    /// What a stream's text says of the input: the header line of a y4m file that is sent as it
    /// is, so that receivers can write the same.
    pub(crate) fn text(&self) -> String {
        match &self.source {
            Source::Y4m(reader) if self.staged.is_none() => {
                String::from_utf8_lossy(reader.line()).into_owned()
            }
            Source::Y4m(_) | Source::Pattern(_) | Source::Raw(_) | Source::Pictures(..) => {
                String::new()
            }
        }
    }

    /// How fast to send when the command line does not say.
    pub(crate) fn usual_rate(&self) -> Rate {
        match self.rate {
            Some((frames, seconds)) => Rate::PerSecond(f64::from(frames) / f64::from(seconds)),
            None if matches!(self.source, Source::Raw(_)) => Rate::Max,
            None => Rate::PerSecond(RATE),
        }
    }

    /// What the next frame will be, without padding: pictures may differ in size.
    pub(crate) fn follow(&mut self) -> anyhow::Result<&PictureDesc> {
        if let Source::Pictures(_, Some(next)) = &self.source {
            let desc = *next.desc();
            if desc.kind() != self.desc.kind() {
                self.settle(desc)?;
            }
        }
        Ok(&self.sent)
    }

    /// Takes what the source yields as it is, or to be converted.
    fn settle(&mut self, desc: PictureDesc) -> anyhow::Result<()> {
        self.desc = desc;
        self.sent = PictureDesc { alpha: self.alpha.unwrap_or(desc.alpha), ..desc };
        self.staged = None;
        if let Some(format) = self.format.filter(|format| *format != desc.format) {
            let sent = PictureDesc::tight(desc.width, desc.height, format)?;
            self.sent = sent.with_alpha(self.alpha.unwrap_or(sent.alpha));
            self.staged = Some(OwnedPicture::new(desc)?);
        }
        Ok(())
    }

    /// Reads the next frame, or draws the one that will have this sequence; false at the end.
    pub(crate) fn next(
        &mut self,
        sequence: u64,
        target: &mut PictureMut<'_>,
    ) -> anyhow::Result<bool> {
        let Some(staged) = &mut self.staged else {
            return self.source.next(sequence, target).with_context(|| name(&self.path));
        };
        let came = self.source.next(sequence, &mut staged.as_picture_mut());
        let came = came.with_context(|| name(&self.path))?;
        if came {
            convert::convert(&staged.as_picture(), target)?;
        }
        Ok(came)
    }

    /// Starts again from the first frame.
    pub(crate) fn rewind(&mut self, args: &SendArgs) -> anyhow::Result<()> {
        if self.path.is_none() {
            bail!("standard input cannot be read twice: --loop needs a file");
        }
        let again = Self::open(args)?;
        let pictures = matches!(again.source, Source::Pictures(..));
        if again.desc.kind() != self.desc.kind() && !pictures {
            bail!("{} has changed its size or format", name(&self.path));
        }
        self.source = again.source;
        Ok(())
    }
}

impl Source {
    fn next(&mut self, sequence: u64, target: &mut PictureMut<'_>) -> anyhow::Result<bool> {
        match self {
            Self::Pattern(pattern) => {
                pattern.draw(sequence, target);
                Ok(true)
            }
            Self::Y4m(reader) => Ok(reader.read_into(target)?),
            Self::Raw(reader) => Ok(reader.read_into(target)?),
            Self::Pictures(paths, next) => {
                let Some(picture) = next.take() else { return Ok(false) };
                target.copy_from(&picture.as_picture())?;
                *next = paths.next().map(|path| read_png(&path)).transpose()?;
                Ok(true)
            }
        }
    }
}

fn name(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or("standard input".into(), |path| path.display().to_string())
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

type Opened = (Source, PictureDesc, Option<(u32, u32)>);

fn open_pictures(path: &Path) -> anyhow::Result<Opened> {
    let text = path.to_string_lossy();
    let paths: Vec<PathBuf> = if png::Sequence::is_one(&text) {
        png::Sequence::parse(&text)?.existing()?.collect()
    } else {
        vec![path.to_owned()]
    };
    let mut paths = paths.into_iter();
    let Some(first) = paths.next() else { bail!("{}: no such pictures", path.display()) };
    let picture = read_png(&first)?;
    let desc = *picture.desc();
    Ok((Source::Pictures(paths, Some(picture)), desc, None))
}

fn read_png(path: &Path) -> anyhow::Result<OwnedPicture> {
    png::read_file(path).with_context(|| path.display().to_string())
}

fn open_video(path: Option<&Path>, args: &SendArgs) -> anyhow::Result<Opened> {
    let bytes: Bytes = match path {
        None => Box::new(BufReader::with_capacity(1 << 20, io::stdin())),
        Some(path) => {
            let mut file = File::open(path).with_context(|| path.display().to_string())?;
            // A directory opens and cannot be read; better said here than as a broken frame.
            file.stream_position().with_context(|| path.display().to_string())?;
            Box::new(BufReader::with_capacity(1 << 20, file))
        }
    };
    if let Some((width, height)) = args.size {
        let Some(format) = args.format else {
            bail!("raw frames of --size {width}x{height} need their --format, e.g. bgra8");
        };
        let desc = PictureDesc::tight(width, height, format)?;
        let desc = desc.with_alpha(args.alpha.unwrap_or(desc.alpha));
        return Ok((Source::Raw(RawReader::new(bytes, &desc)), desc, None));
    }
    let reader = Y4mReader::new(bytes).with_context(|| match path {
        None => "standard input".into(),
        Some(path) => path.display().to_string(),
    })?;
    let (desc, rate) = (*reader.desc(), reader.header().rate);
    Ok((Source::Y4m(reader), desc, rate))
}
