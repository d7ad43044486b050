//! Why nothing came of the records, and what to type about it.

use crate::config::SourceKind;
use crate::domain::{RefusalReason, RefusalRow, Window, row_fault};

/// What to do where no record was read, or where all were refused; nothing where neither is so.
/// `source` says what to do about a source that holds nothing at all.
pub(super) fn hint(
    asked: Asked,
    source: &'static str,
    n_read: u64,
    n_used: u64,
    refusals: &[RefusalRow],
) -> Option<String> {
    if n_read == 0 {
        return Some(where_to_look(asked, source));
    }
    if n_used > 0 {
        return None;
    }
    let (reason, _, example) = RefusalRow::commonest(refusals)?;
    Some(remedy(reason, example).to_owned())
}

/// What was asked for of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Records of this span.
    pub(super) window: Window,
    /// Whether some groups were selected.
    pub(super) is_selection: bool,
}

/// What to do about a source of that kind that holds nothing at all.
pub(super) fn empty_source(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Embedded => "`speedfit import FILE` adds records to the embedded database",
        SourceKind::File => "check `file.path`, and that whatever writes the file has finished",
        SourceKind::SqlServer => {
            "check `sqlserver.table` or `sqlserver.query`; `speedfit doctor` shows what it gives"
        }
    }
}

fn where_to_look(asked: Asked, source: &'static str) -> String {
    let mut places = Vec::new();
    if asked.is_selection {
        places.push("check the names given to `--select` (`*` stands for any text)");
    }
    if asked.window != Window::default() {
        places.push("widen the window: `--from`, `--to`, `window.days`");
    }
    if places.is_empty() {
        places.push(source);
    }
    places.join("; ")
}

/// What the operator can do about rows that were refused for that reason, one of them as the example
/// says.
pub(super) fn remedy(reason: RefusalReason, example: &str) -> &'static str {
    match reason {
        RefusalReason::Unreadable
        | RefusalReason::UnreadableTime
        | RefusalReason::UnreadableDistance => row_fault::remedy(example),
        RefusalReason::NullField | RefusalReason::NonFinite | RefusalReason::WeightNotPositive => {
            "`--json` shows examples under `refusals`; check the names under `columns`"
        }
        RefusalReason::TimeNotPositive
        | RefusalReason::TimeTooShort
        | RefusalReason::TimeTooLong
        | RefusalReason::DistanceTooShort
        | RefusalReason::DistanceTooLong
        | RefusalReason::SpeedImplausible => {
            "check `columns.distance_unit`, `columns.time_unit` and the bounds under `accept`"
        }
        RefusalReason::WeightOutOfRange => {
            "check `columns.weight`: a weight is the number of like records that a row stands for"
        }
        RefusalReason::OutsideWindow => "widen the window: `--from`, `--to`, `window.days`",
        RefusalReason::UnknownRegion => "check `accept.known_regions` and `columns.region`",
        RefusalReason::LengthInvalid => {
            "`--json` shows examples under `refusals`; check `columns.lengths`, or fit another model"
        }
        RefusalReason::RepeatedId => "check `accept.repeated_ids` and `columns.incident_id`",
    }
}
