//! A forked child has none of its parent's objects, and harms none of them.

use crate::party::play;

#[test]
fn every_call_on_a_parents_object_says_so_and_the_childs_own_work() {
    play(&["forked-objects"]);
}

#[test]
fn a_handle_is_the_childs_too_and_keeps_the_name() {
    play(&["forked-handle"]);
}

#[test]
fn waits_that_are_dropped_in_a_child_hang_nobody() {
    play(&["forked-waits", "300"]);
}

#[test]
fn forks_amid_threads_that_use_objects_hang_nobody() {
    play(&["fork-storm", "150"]);
}
