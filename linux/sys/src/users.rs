//! The machine's users.

use std::fs;

/// The number of a user of this machine, `None` where `/etc/passwd` has no such name.
///
/// Users that only a directory service knows have none here: asking it takes a C library that
/// loads its modules.
#[must_use]
pub fn uid_of(name: &str) -> Option<u32> {
    find(&fs::read_to_string("/etc/passwd").ok()?, name)
}

fn find(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let list = "root:x:0:0::/:/bin/sh\nhandfast2:x:7:7::/:\nhandfast:x:990:989::/:\n";
        assert_eq!(find(list, "handfast"), Some(990));
        assert_eq!(find(list, "hand"), None);
        assert_eq!(find(list, "x"), None);
    }

    #[test]
    fn a_line_that_is_none_names_nobody() {
        for list in ["", "handfast", "handfast:x", "handfast:x:", "handfast:x:-1:", "handfast:x:a:"]
        {
            assert_eq!(find(list, "handfast"), None, "{list}");
        }
    }
}
