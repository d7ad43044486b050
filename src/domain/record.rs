//! Incident records as they come from a source: columns, dirt included.

use std::sync::Arc;

use super::incident_id::{IdColumn, IncidentId};
use super::refusal::RefusalReason;
use super::row_fault::RowFault;

/// A column of optional texts in one allocation, so that a batch costs no allocation per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextColumn {
    /// Nulls before the first text, which are only counted: a column that a source has not got costs
    /// nothing.
    n_leading_nulls: usize,
    bytes: String,
    /// End of each text in `bytes`, and whether it is present.
    ends: Vec<(u32, bool)>,
}

impl TextColumn {
    /// Appends one value; `None` is null.
    #[inline]
    pub fn push(&mut self, value: Option<&str>) {
        match value {
            Some(text) => self.bytes.push_str(text),
            None if self.ends.is_empty() => {
                self.n_leading_nulls += 1;
                return;
            }
            None => {}
        }
        // A batch is bounded far below 4 GiB; were it not, the text would be cut, never mixed up.
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.ends.push((end, value.is_some()));
    }

    /// The value in `row`, or `None` where it is null or beyond the end.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let at = row.checked_sub(self.n_leading_nulls)?;
        let &(end, present) = self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |e| e.0);
        present.then(|| &self.bytes[start as usize..end as usize])
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_leading_nulls + self.ends.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An empty column with room for as many texts, a little longer than these.
    pub(super) fn another(&self) -> Self {
        Self {
            n_leading_nulls: 0,
            bytes: String::with_capacity(self.bytes.len() + self.bytes.len() / 16),
            ends: Vec::with_capacity(self.ends.len()),
        }
    }
}

/// Bytes as a text, those that make up no character in UTF-8 as `\xff`.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        shown.push_str(chunk.valid());
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

/// A batch of records, one entry per row in every column.
///
/// Sources convert units and time zones; they do not judge. A row whose text cannot be read as its
/// type (a word in a number column, a ragged line) is kept, with nulls and an entry in `faults`,
/// so that it is counted as a refusal instead of being lost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordBatch {
    /// The client's name of the incident; used only to point at refused rows and repeats.
    pub incident_id: IdColumn,
    /// The region that owns the record.
    pub region: TextColumn,
    /// The region's parent, where the source knows it.
    pub parent_region: TextColumn,
    /// Priority class as the client writes it.
    pub priority: TextColumn,
    /// When the incident occurred, microseconds since 1970-01-01 UTC.
    pub occurred_at_us: Vec<Option<i64>>,
    /// Distance, km.
    pub distance_km: Vec<Option<f64>>,
    /// Travel time, s.
    pub travel_time_s: Vec<Option<f64>>,
    /// Number of like records that the row stands for; null is one.
    pub weight: Vec<Option<f64>>,
    /// Classes of road of [`lengths_km`](Self::lengths_km); empty where no lengths were asked for or
    /// there are none.
    pub classes: Arc<[String]>,
    /// Lengths by class of road, km, row by row: as many in each as there are classes.
    pub lengths_km: Vec<Option<f64>>,
    /// Rows that could not be read, ascending, each with its reason and what was wrong.
    pub faults: Vec<(usize, RefusalReason, String)>,
}

/// One row of a batch, borrowed from or about to enter it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RecordRef<'a> {
    /// See [`RecordBatch::incident_id`].
    pub incident_id: Option<IncidentId<'a>>,
    /// See [`RecordBatch::region`].
    pub region: Option<&'a str>,
    /// See [`RecordBatch::parent_region`].
    pub parent_region: Option<&'a str>,
    /// See [`RecordBatch::priority`].
    pub priority: Option<&'a str>,
    /// See [`RecordBatch::occurred_at_us`].
    pub occurred_at_us: Option<i64>,
    /// Kilometres.
    pub distance_km: Option<f64>,
    /// Seconds.
    pub travel_time_s: Option<f64>,
    /// See [`RecordBatch::weight`].
    pub weight: Option<f64>,
    /// Lengths by class of road, km, in the order of [`RecordBatch::classes`].
    pub lengths_km: &'a [Option<f64>],
    /// Why the row could not be read, where it could not.
    pub fault: Option<RowFault<'a>>,
}

impl RecordBatch {
    /// Rows that one batch holds at the most: large enough to hide the channel's cost, small
    /// enough (about 1 MB) that a few of them in flight do not matter.
    pub const MAX_ROWS: usize = 8192;
    /// Lengths after which a batch is full although it has room for rows: as many as rows of all classes
    /// that a run may have make up, so that columns without number do not widen it.
    const MAX_LENGTHS: usize = Self::MAX_ROWS * road::MAX_CLASSES;

    /// An empty batch whose rows have lengths of these classes of road.
    #[must_use]
    pub fn of_classes(classes: &Arc<[String]>) -> Self {
        Self { classes: Arc::clone(classes), ..Self::default() }
    }

    /// An empty batch with room for as much as this one holds, so that filling it moves nothing.
    #[must_use]
    pub fn another(&self) -> Self {
        let n_rows = self.len();
        Self {
            incident_id: self.incident_id.another(),
            region: self.region.another(),
            parent_region: self.parent_region.another(),
            priority: self.priority.another(),
            occurred_at_us: Vec::with_capacity(n_rows),
            distance_km: Vec::with_capacity(n_rows),
            travel_time_s: Vec::with_capacity(n_rows),
            weight: Vec::with_capacity(n_rows),
            classes: Arc::clone(&self.classes),
            lengths_km: Vec::with_capacity(self.lengths_km.len()),
            faults: Vec::new(),
        }
    }

    /// Appends one row; lengths that it has not got are null.
    #[inline]
    pub fn push(&mut self, row: RecordRef<'_>) {
        if let Some(fault) = row.fault {
            self.faults.push((self.len(), fault.reason, fault.what.to_owned()));
        }
        self.incident_id.push(row.incident_id);
        self.region.push(row.region);
        self.parent_region.push(row.parent_region);
        self.priority.push(row.priority);
        self.occurred_at_us.push(row.occurred_at_us);
        self.distance_km.push(row.distance_km);
        self.travel_time_s.push(row.travel_time_s);
        self.weight.push(row.weight);
        let length = |class| row.lengths_km.get(class).copied().flatten();
        self.lengths_km.extend((0..self.classes.len()).map(length));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.distance_km.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.distance_km.is_empty()
    }

    /// Whether the batch should be handed on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= Self::MAX_ROWS || self.lengths_km.len() >= Self::MAX_LENGTHS
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = RecordRef<'_>> {
        let mut faults = self.faults.iter().peekable();
        let n_classes = self.classes.len();
        (0..self.len()).map(move |row| {
            let fault = faults
                .next_if(|(at, ..)| *at == row)
                .map(|(_, reason, what)| RowFault { reason: *reason, what });
            RecordRef {
                incident_id: self.incident_id.get(row),
                region: self.region.get(row),
                parent_region: self.parent_region.get(row),
                priority: self.priority.get(row),
                occurred_at_us: self.occurred_at_us[row],
                distance_km: self.distance_km[row],
                travel_time_s: self.travel_time_s[row],
                weight: self.weight[row],
                lengths_km: &self.lengths_km[row * n_classes..(row + 1) * n_classes],
                fault,
            }
        })
    }
}

/// Names of classes of road, and of the columns that hold their lengths in a record file.
pub mod road {
    /// Characters of a class's name at the most: its speed is a parameter, whose name has a column.
    pub const MAX_CLASS_CHARS: usize = 50;
    /// Classes of a run at the most: each is a parameter of every group.
    pub const MAX_CLASSES: usize = 64;

    /// Whether that may be the name of a class.
    #[must_use]
    pub fn is_class(name: &str) -> bool {
        name.trim() == name
            && (1..=MAX_CLASS_CHARS).contains(&name.chars().count())
            && !name.chars().any(char::is_control)
    }

    /// The class of a column that follows the contract, `length_<class>_km`.
    #[must_use]
    pub fn class_of_column(column: &str) -> Option<&str> {
        let class = column.strip_prefix("length_")?.strip_suffix("_km")?;
        is_class(class).then_some(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let rows = [
            RecordRef { region: Some(""), distance_km: Some(1.5), ..RecordRef::default() },
            RecordRef {
                incident_id: Some(IncidentId::Text("ß1")),
                fault: Some(RowFault::row("ragged")),
                ..RecordRef::default()
            },
            RecordRef { region: Some("Nørre"), priority: Some("1"), ..RecordRef::default() },
        ];
        let mut batch = RecordBatch::default();
        for row in rows {
            batch.push(row);
        }
        assert_eq!(batch.rows().collect::<Vec<_>>(), rows);
        assert_eq!(batch.incident_id.get(3), None);
        let mut again = batch.another();
        assert!(again.is_empty());
        rows.into_iter().for_each(|row| again.push(row));
        assert_eq!(again, batch);
    }

    #[test]
    fn nulls_stand_where_they_were() {
        let check = |values: &[Option<&str>]| {
            let mut column = TextColumn::default();
            values.iter().for_each(|value| column.push(*value));
            let got: Vec<_> = (0..column.len()).map(|row| column.get(row)).collect();
            assert_eq!(got, values);
            assert_eq!((column.get(values.len()), column.is_empty()), (None, values.is_empty()));
        };
        check(&[]);
        check(&[None, None]);
        check(&[None, None, Some("a"), None, Some(""), Some("bc"), None]);
        check(&[Some("a"), None]);
    }

    #[test]
    fn lengths_follow_their_rows() {
        let classes = Arc::from(["a".to_owned(), "b".to_owned()]);
        let mut batch = RecordBatch::of_classes(&classes);
        batch.push(RecordRef { lengths_km: &[Some(1.0), None], ..RecordRef::default() });
        batch.push(RecordRef { lengths_km: &[Some(2.0)], ..RecordRef::default() });
        batch.push(RecordRef::default());
        let lengths: Vec<_> = batch.rows().map(|row| row.lengths_km).collect();
        assert_eq!(lengths, [[Some(1.0), None], [Some(2.0), None], [None, None]]);
    }

    #[test]
    fn columns_of_lengths_name_their_class() {
        let check = |column: &str, expected: Option<&str>| {
            assert_eq!(road::class_of_column(column), expected, "{column}");
        };
        check("length_motorway_km", Some("motorway"));
        check("length_main road_km", Some("main road"));
        check("length__km", None);
        check("length_ x_km", None);
        check("length_km", None);
        check("Length_x_km", None);
        check("length_x_m", None);
    }
}
