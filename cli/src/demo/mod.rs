//! `handfast demo`: the main job, with real processes, one of which is killed at the worst
//! moment.

mod report;
mod roles;
mod run;
mod words;

pub(crate) use roles::run as run_role;
pub(crate) use run::run;
