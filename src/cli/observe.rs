//! From the events of a run to the teller of progress.

use crate::job::{Observer, RunEvent};

use super::progress::Progress;

/// Tells a run's events on stderr.
pub(super) struct Told(Progress);

impl Told {
    /// A teller at the start of reading.
    pub(super) fn new(progress: Progress) -> Self {
        progress.phase("read");
        Self(progress)
    }

    /// It is over.
    pub(super) fn finish(&self) {
        self.0.finish();
    }
}

impl Observer for Told {
    fn notice(&self, event: RunEvent) {
        match event {
            RunEvent::Started(_) => self.0.phase("read"),
            RunEvent::RowsRead { n_read, n_expected } => self.0.rows(n_read, n_expected),
            RunEvent::GroupsFitted { n_done, n_total } => {
                if n_done <= 1 {
                    self.0.phase("fit");
                }
                self.0.groups(n_done as u64, n_total as u64);
            }
            RunEvent::Publishing => self.0.phase("publish"),
        }
    }
}
