//! Progress as one JSON object per line, for programs.
//!
//! Thinned by count, not by time, so that a run tells the same story every time; the last state of
//! a phase is always told.

use std::io::Write;

use serde::Serialize;

/// One line of `--progress json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Phase { name: String },
    Rows { read: u64, total: Option<u64> },
    Groups { done: u64, total: u64 },
    Finished { rows_read: u64, groups_done: u64 },
}

/// Rows between two events where their total is not known.
const ROWS_PER_EVENT: u64 = 100_000;
/// Events about rows, or groups, that a run tells at the most where the total is known.
const EVENTS_PER_TOTAL: u64 = 100;

/// Writes progress as one JSON object per line.
pub(super) struct Events {
    to: Box<dyn Write + Send>,
    rows: Counter,
    groups: Counter,
}

/// A number that is told when it enters another step.
#[derive(Debug, Default)]
struct Counter {
    latest: u64,
    told_step: u64,
    /// What was reached since the last event.
    untold: Option<Event>,
}

impl Counter {
    /// Takes the number in; returns the event where it is due.
    fn reach(&mut self, count: u64, step: u64, event: Event) -> Option<Event> {
        self.latest = count;
        self.untold = Some(event);
        let nth = count / step.max(1);
        if nth == self.told_step {
            return None;
        }
        self.told_step = nth;
        self.untold.take()
    }
}

impl Events {
    pub(super) fn new(to: Box<dyn Write + Send>) -> Self {
        Self { to, rows: Counter::default(), groups: Counter::default() }
    }

    pub(super) fn phase(&mut self, name: &str) {
        self.tell_rest();
        self.write(&Event::Phase { name: name.to_owned() });
    }

    pub(super) fn rows(&mut self, read: u64, total: Option<u64>) {
        let step = total.map_or(ROWS_PER_EVENT, |total| total.div_ceil(EVENTS_PER_TOTAL));
        let due = self.rows.reach(read, step, Event::Rows { read, total });
        due.iter().for_each(|event| self.write(event));
    }

    pub(super) fn groups(&mut self, done: u64, total: u64) {
        let step = total.div_ceil(EVENTS_PER_TOTAL);
        let due = self.groups.reach(done, step, Event::Groups { done, total });
        due.iter().for_each(|event| self.write(event));
    }

    pub(super) fn finish(&mut self) {
        self.tell_rest();
        let (rows_read, groups_done) = (self.rows.latest, self.groups.latest);
        self.write(&Event::Finished { rows_read, groups_done });
    }

    fn tell_rest(&mut self) {
        let rest = [self.rows.untold.take(), self.groups.untold.take()];
        rest.iter().flatten().for_each(|event| self.write(event));
    }

    fn write(&mut self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        // Nobody listens any more: the run is what matters.
        _ = self.to.write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(run: impl Fn(&mut Events)) -> String {
        let lines = Lines::default();
        run(&mut Events::new(Box::new(lines.clone())));
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn events_are_one_object_per_line() {
        let shown = told(|events| {
            events.phase("read");
            events.rows(8192, None);
            events.rows(106_496, None);
            events.rows(110_000, None);
            events.groups(1, 2);
            events.phase("publish");
            events.groups(2, 2);
            events.finish();
        });
        insta::assert_snapshot!(shown, @r#"
        {"event":"phase","name":"read"}
        {"event":"rows","read":106496,"total":null}
        {"event":"groups","done":1,"total":2}
        {"event":"rows","read":110000,"total":null}
        {"event":"phase","name":"publish"}
        {"event":"groups","done":2,"total":2}
        {"event":"finished","rows_read":110000,"groups_done":2}
        "#);
    }

    #[test]
    fn events_stay_few_and_the_last_is_told() {
        let shown = told(|events| {
            for n in 1..=12_345 {
                events.rows(n, Some(12_345));
            }
            events.finish();
        });
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines.len() <= 102, "{}", lines.len());
        let n_lines = lines.len();
        assert_eq!(lines[n_lines - 2], r#"{"event":"rows","read":12345,"total":12345}"#);
        assert_eq!(lines[n_lines - 1], r#"{"event":"finished","rows_read":12345,"groups_done":0}"#);
    }
}
