//! Real video, decoded by ffmpeg, through a stream: the file that comes out is the one that went
//! in.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use handfast_tests::{Child, Requirement, Scratch, handfast, require};

#[test]
fn real_clips_come_out_bit_for_bit() {
    let Some(ffmpeg) = require(Requirement::Ffmpeg) else { return };
    let Some(folder) = require(Requirement::Clips) else { return };
    let folder = fs::canonicalize(folder).expect("the folder of clips is there");
    let clips: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of clips can be read")
        .map(|entry| entry.expect("so can its entries").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mp4"))
        .collect();
    assert!(!clips.is_empty());
    let scratch = Scratch::new();
    for clip in clips {
        let mut decode = scratch.command(&ffmpeg);
        decode.args(["-loglevel", "error", "-nostdin", "-y", "-i"]).arg(&clip);
        decode.args(["-frames:v", "100", "-f", "yuv4mpegpipe", "in.y4m"]);
        Child::spawn(&mut decode).finish().success();

        let receiver = scratch.spawn(&["recv", "cam", "--mode", "lossless", "-o", "out.y4m"]);
        // As a user types it: the decoder's output goes straight into the stream.
        let script = "\"$0\" -loglevel error -nostdin -i \"$1\" -frames:v 100 -f yuv4mpegpipe - \
                      | \"$2\" send cam --lossless --wait 1";
        let mut shell = scratch.command("sh");
        shell.args(["-c", script]).arg(&ffmpeg).arg(&clip).arg(handfast());
        Child::spawn(&mut shell).finish().success();
        receiver.finish().success();

        let [went_in, came_out] = ["in.y4m", "out.y4m"]
            .map(|name| fs::read(scratch.files().join(name)).expect("it was written"));
        assert!(went_in == came_out, "{} differs", clip.display());
        assert!(went_in.len() > 1_000_000, "{} has no pictures", clip.display());
    }
}
