//! The flags that narrow the window, shared by commands that read records.

use clap::Args;

use crate::config::Override;

/// `--from` and `--to`.
#[derive(Debug, Args)]
pub(super) struct WindowFlags {
    /// First moment read: a time stamp or a date; the setting `window.from`.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// First moment no longer read; the setting `window.to`.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

impl WindowFlags {
    /// The settings that these flags give. A given end switches `window.days` off.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let ends = [("--from", "window.from", &self.from), ("--to", "window.to", &self.to)];
        let mut overrides: Vec<Override> = (ends.into_iter())
            .filter_map(|(flag, key, end)| Some(Override::new(flag, key, end.as_ref()?)))
            .collect();
        if let Some(first) = overrides.first() {
            overrides.push(Override::new(&first.flag, "window.days", "0"));
        }
        overrides
    }
}
