//! How many frames a second: the difference of two readings of a sender's counters.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use handfast::{Counters, SenderStatistics};

use super::since_monotonic;
use crate::progress::to_f64;

/// Readings this far apart give a rate to one digit.
const APART: Duration = Duration::from_millis(300);
/// Slow streams are waited for, but no longer than this in all.
const PATIENCE: Duration = Duration::from_millis(1300);
const SLICE: Duration = Duration::from_millis(50);
/// A sender whose last frame is older than this sends nothing.
const SILENCE: Duration = Duration::from_secs(2);
/// Readings older than this say nothing of now.
const WINDOW: Duration = Duration::from_secs(3);

/// No sender sends so many frames a second.
const RATE_MAX: f64 = 1e9;
/// A sender that counts without end is believed after so many looks.
const TRIES: u32 = 8;

/// What a sender had sent at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    sent: u64,
    last_sent_ns: u64,
}

/// The last readings of one sender.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate(VecDeque<Reading>);

impl Rate {
    /// Adds what its counters say now.
    fn add(&mut self, statistics: &SenderStatistics) {
        let &SenderStatistics { sent, last_sent_ns, .. } = statistics;
        let at = Instant::now();
        while self.0.front().is_some_and(|first| at.duration_since(first.at) > WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back(Reading { at, sent, last_sent_ns });
    }

    /// Reads counters and adds them.
    pub(crate) fn read(&mut self, counters: &Counters) -> SenderStatistics {
        // A sender that is just counting a frame has counted it in some words and not in others.
        let mut statistics = counters.statistics();
        for _ in 0..TRIES {
            let again = counters.statistics();
            if again == statistics {
                break;
            }
            statistics = again;
        }
        self.add(&statistics);
        statistics
    }

    /// Frames a second, None where none came. Counters may be anything, so nothing is believed.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let sent = last.sent.checked_sub(first.sent).filter(|sent| *sent > 0)?;
        let ns = last.last_sent_ns.checked_sub(first.last_sent_ns).filter(|ns| *ns > 0)?;
        Some(to_f64(sent) / (to_f64(ns) / 1e9)).filter(|rate| *rate < RATE_MAX)
    }

    /// The same with at most two digits, for JSON.
    pub(crate) fn rounded(&self) -> Option<f64> {
        self.per_second().map(|rate| (rate * 100.0).round() / 100.0)
    }

    /// Whether another moment may still bring a frame.
    fn is_due(&self) -> bool {
        let last = self.0.back().map_or(0, |last| last.last_sent_ns);
        self.per_second().is_none() && last > 0 && since_monotonic(last) < SILENCE
    }
}

/// Reads all counters together twice, or more often while a slow stream is due to send.
pub(crate) fn measure(counters: &[&Counters]) -> Vec<(SenderStatistics, Rate)> {
    let started = Instant::now();
    let mut measured: Vec<(SenderStatistics, Rate)> = Vec::new();
    for counters in counters {
        let mut rate = Rate::default();
        measured.push((rate.read(counters), rate));
    }
    if measured.iter().any(|(_, rate)| rate.is_due()) {
        thread::sleep(APART);
    }
    loop {
        for (counters, (statistics, rate)) in counters.iter().zip(&mut measured) {
            *statistics = rate.read(counters);
        }
        if started.elapsed() >= PATIENCE || !measured.iter().any(|(_, rate)| rate.is_due()) {
            return measured;
        }
        thread::sleep(SLICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(readings: &[(u64, u64)], expected: Option<f64>) {
        let mut rate = Rate::default();
        for &(sent, last_sent_ns) in readings {
            rate.add(&SenderStatistics { sent, last_sent_ns, ..SenderStatistics::default() });
        }
        assert_eq!(rate.rounded(), expected);
    }

    #[test]
    fn a_rate_needs_two_readings_that_grow() {
        check(&[], None);
        check(&[(7, 100)], None);
        check(&[(7, 100), (7, 100)], None);
        check(&[(0, 1_000_000_000), (30, 1_500_000_000)], Some(60.0));
        check(&[(5, 0), (6, 0), (7, 3_000_000_000)], Some(0.67));
    }

    #[test]
    fn counters_that_cannot_be_give_none() {
        check(&[(9, 100), (3, 200)], None);
        check(&[(3, 200), (9, 100)], None);
        check(&[(0, 0), (u64::MAX, 1)], None);
    }
}
