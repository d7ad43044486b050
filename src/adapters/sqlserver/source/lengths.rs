//! Lengths by class of road in the rows of the driver: they stand behind the fields.

use std::sync::Arc;

use tiberius::{ColumnData, TokenRow};

use super::layout::Layout;
use crate::adapters::file::{DistanceUnit, Fault, FieldColumn, number};
use crate::domain::row_fault::NOT_A_NUMBER;

/// Reads the lengths of one row after the other; none where the layout has none.
#[derive(Debug, Clone)]
pub(super) struct LengthDecoder {
    pub(super) classes: Arc<[String]>,
    /// Where the first stands in a row.
    first: usize,
    columns: Vec<(String, DistanceUnit)>,
    km: Vec<Option<f64>>,
}

impl LengthDecoder {
    pub(super) fn new(layout: &Layout) -> Self {
        let columns = layout.lengths.iter().map(|l| (l.name.as_str().to_owned(), l.unit));
        Self {
            classes: layout.lengths.iter().map(|length| length.class.clone()).collect(),
            first: layout.columns.len(),
            columns: columns.collect(),
            km: vec![None; layout.lengths.len()],
        }
    }

    /// The lengths of a row, km.
    pub(super) fn read(&mut self, row: &TokenRow<'static>, fault: &mut Fault) -> &[Option<f64>] {
        for (at, (name, unit)) in self.columns.iter().enumerate() {
            let value = row.get(self.first + at);
            let value = value.and_then(|value| number_of(value, FieldColumn::length(name), fault));
            self.km[at] = value.map(|x| unit.to_km(x));
        }
        &self.km
    }
}

/// A number of whatever type; null, and noted, where it is none.
pub(super) fn number_of(
    value: &ColumnData<'static>,
    of: FieldColumn<'_>,
    fault: &mut Fault,
) -> Option<f64> {
    match value {
        ColumnData::F64(number) => *number,
        ColumnData::F32(number) => number.map(f64::from),
        ColumnData::I32(number) => number.map(f64::from),
        #[expect(clippy::cast_precision_loss, reason = "as a record file's digits are read")]
        ColumnData::I64(number) => number.map(|n| n as f64),
        ColumnData::I16(number) => number.map(f64::from),
        ColumnData::U8(number) => number.map(f64::from),
        ColumnData::String(text) => {
            let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
            let value = number(text);
            if value.is_none() {
                fault.value(text, of, NOT_A_NUMBER);
            }
            value
        }
        // A type that the column did not have when it was described.
        other => {
            fault.value(&format!("{other:?}"), of, NOT_A_NUMBER);
            None
        }
    }
}
