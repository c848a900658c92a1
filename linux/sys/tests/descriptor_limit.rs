//! A receiver at its descriptor limit; alone in its process, which it starves.

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use handfast_sys::seqpacket::{Blocking, Incoming, Socket};
    use handfast_sys::{memfd, pipe, process};
    use rustix::process::{Resource, Rlimit, setrlimit};

    #[test]
    fn descriptors_that_find_no_room_truncate_the_packet_and_the_rest_is_owned() {
        let (left, right) = Socket::pair().unwrap();
        left.send(b"x", &[left.as_fd(); 20], Blocking::Wait).unwrap();
        let (_, hard) = process::descriptor_limit();
        let room = Rlimit { current: Some(64), maximum: Some(hard) };
        setrlimit(Resource::Nofile, room).unwrap();
        let mut held = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            held.push(file);
        }
        assert!(pipe::handle_pipe().unwrap_err().is_descriptor_limit());
        assert!(memfd::create("full", 1).unwrap_err().is_descriptor_limit());
        held.truncate(held.len() - 7);
        let incoming = right.receive(&mut [0; 8], Blocking::Wait).unwrap();
        let Incoming::Truncated(came) = incoming else { panic!("{incoming:?}") };
        assert_eq!((came.length, came.descriptors.len()), (1, 7));
        drop(came);
        held.push(File::open("/dev/null").unwrap());
    }
}
