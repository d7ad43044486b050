//! Tells how far a run is: a bar on a terminal, one JSON object per line for programs, or nothing.
//!
//! Always on stderr.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};

use super::events::Events;

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, nothing otherwise.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// One JSON object per line.
    Json,
    /// Nothing.
    None,
}

/// Tells how far a run is. Threads may share it.
pub struct Progress {
    teller: Mutex<Teller>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

enum Teller {
    Bar(ProgressBar),
    Events(Events),
    Nobody,
}

impl Progress {
    /// A teller on stderr; `bars` is shared with the log.
    #[must_use]
    pub fn new(mode: ProgressMode, is_terminal: bool, bars: &MultiProgress) -> Self {
        let teller = match mode {
            ProgressMode::Bar => Teller::Bar(new_bar(bars)),
            ProgressMode::Auto if is_terminal => Teller::Bar(new_bar(bars)),
            ProgressMode::Json => Teller::Events(Events::new(Box::new(io::stderr()))),
            ProgressMode::Auto | ProgressMode::None => Teller::Nobody,
        };
        Self { teller: Mutex::new(teller) }
    }

    /// A phase begins.
    pub fn phase(&self, name: &str) {
        self.tell(|bar| bar.set_prefix(name.to_owned()), |events| events.phase(name));
    }

    /// Rows read so far, and how many there are, where that is known.
    pub fn rows(&self, n_read: u64, total_hint: Option<u64>) {
        self.tell(
            |bar| show_rows(bar, n_read, total_hint),
            |events| events.rows(n_read, total_hint),
        );
    }

    /// Groups done so far, and how many there are.
    pub fn groups(&self, n_done: u64, n_total: u64) {
        self.tell(
            |bar| bar.set_message(format!("{n_done}/{n_total} groups")),
            |events| events.groups(n_done, n_total),
        );
    }

    /// It is over: the bar goes away, the last event is told.
    pub fn finish(&self) {
        self.tell(ProgressBar::finish_and_clear, Events::finish);
    }

    fn tell(&self, to_bar: impl FnOnce(&ProgressBar), to_events: impl FnOnce(&mut Events)) {
        // A panic elsewhere leaves at worst an old number behind.
        match &mut *self.teller.lock().unwrap_or_else(PoisonError::into_inner) {
            Teller::Bar(bar) => to_bar(bar),
            Teller::Events(events) => to_events(events),
            Teller::Nobody => {}
        }
    }
}

/// While it is not known how many rows there are.
const COUNTING: &str = "{prefix:10} {human_pos} rows  {msg}";
/// Once it is.
const FILLING: &str = "{prefix:10} {wide_bar} {human_pos}/{human_len} rows  {msg}";

fn new_bar(bars: &MultiProgress) -> ProgressBar {
    let bar = ProgressBar::no_length().with_style(style(COUNTING));
    bars.add(bar.with_finish(ProgressFinish::AndClear))
}

fn style(template: &str) -> ProgressStyle {
    // The templates are literals; were one wrong, the default would do.
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ")
}

fn show_rows(bar: &ProgressBar, n_read: u64, total_hint: Option<u64>) {
    if bar.length().is_some() != total_hint.is_some() {
        bar.set_style(style(if total_hint.is_some() { FILLING } else { COUNTING }));
    }
    match total_hint {
        // A hint may fall short of what is there.
        Some(total) => bar.set_length(total.max(n_read)),
        None => bar.unset_length(),
    }
    bar.set_position(n_read);
}

/// Writes to stderr without tearing the bar that stands there.
#[derive(Debug, Clone)]
pub(super) struct BesideBar(pub(super) MultiProgress);

impl Write for BesideBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole, so that no line is torn either.
        self.0.suspend(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_a_bar_by_itself() {
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        let is_bar = |mode, is_terminal| {
            let progress = Progress::new(mode, is_terminal, &bars);
            matches!(*progress.teller.lock().unwrap(), Teller::Bar(_))
        };
        assert!(is_bar(ProgressMode::Auto, true));
        assert!(!is_bar(ProgressMode::Auto, false));
        assert!(is_bar(ProgressMode::Bar, false));
        assert!(!is_bar(ProgressMode::None, true));
    }

    #[test]
    fn the_bar_follows() {
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        let progress = Progress::new(ProgressMode::Bar, true, &bars);
        progress.phase("read");
        progress.rows(120, Some(100));
        progress.groups(3, 4);
        let teller = progress.teller.lock().unwrap();
        let Teller::Bar(bar) = &*teller else { panic!("no bar") };
        assert_eq!((bar.position(), bar.length()), (120, Some(120)));
        assert_eq!((bar.prefix(), bar.message()), ("read".to_owned(), "3/4 groups".to_owned()));
    }
}
