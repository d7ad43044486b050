//! Records on their way through a store, in Parquet: every field as it was read, dirt included.
//!
//! Names of columns are ours alone; knows no database.

use std::sync::Arc;

use super::columnar::{
    Cells, ColumnKind, ColumnSpec, Compression, ParquetError, StoredColumn, TableReader,
    TableWriter, Values, ZstdLevel,
};
use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch, RowFault, TextColumn};

/// Batches of one part: a quarter of a million records, some MB.
pub(super) const BATCHES_PER_PART: usize = 32;

/// Records that cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum StagedError {
    /// No Parquet, or a broken one.
    #[error("the staged records are no Parquet of ours")]
    Parquet(#[from] ParquetError),
    /// A column is missing or of another type.
    #[error("the staged records have no column `{0}` of its type")]
    Column(&'static str),
}

/// Stands before the name of a class of road in the name of its column.
const LENGTH: &str = "length:";

/// The columns before those of lengths.
const OWN: [(&str, ColumnKind); 10] = [
    ("incident_text", ColumnKind::Text),
    ("incident_number", ColumnKind::Whole),
    ("region", ColumnKind::Text),
    ("parent_region", ColumnKind::Text),
    ("priority", ColumnKind::Text),
    ("occurred_at_us", ColumnKind::Whole),
    ("distance_km", ColumnKind::Number),
    ("travel_time_s", ColumnKind::Number),
    ("weight", ColumnKind::Number),
    ("fault", ColumnKind::Text),
];

/// The records of batches that all have the same classes of road.
///
/// # Errors
/// [`StagedError`] where Parquet cannot be written.
pub(super) fn pack(batches: &[RecordBatch]) -> Result<Vec<u8>, StagedError> {
    let classes = batches.first().map(|batch| Arc::clone(&batch.classes)).unwrap_or_default();
    let lengths: Vec<_> = classes.iter().map(|class| format!("{LENGTH}{class}")).collect();
    let lengths = lengths.iter().map(|name| (name.as_str(), ColumnKind::Number));
    let columns = OWN.into_iter().chain(lengths);
    let columns: Vec<_> =
        columns.map(|(name, kind)| ColumnSpec { name, kind, is_required: false }).collect();
    let mut bytes = Vec::new();
    let compression = Compression::ZSTD(ZstdLevel::try_new(1)?);
    let mut writer = TableWriter::begin(&mut bytes, &columns, compression)?;
    for batch in batches {
        writer.write(batch.len(), &cells(batch))?;
    }
    writer.close()?;
    Ok(bytes)
}

/// In the order of [`OWN`] and the classes.
fn cells(batch: &RecordBatch) -> Vec<Cells<'_>> {
    let ids = batch.rows().map(|row| match row.incident_id {
        Some(IncidentId::Text(text)) => (Some(text), None),
        Some(IncidentId::Number(number)) => (None, Some(number)),
        None => (None, None),
    });
    let (id_texts, id_numbers) = ids.unzip();
    let n_classes = batch.classes.len();
    let lengths = (0..n_classes).map(|class| {
        Cells::Number(batch.lengths_km.iter().skip(class).step_by(n_classes).copied().collect())
    });
    let own = [
        Cells::Text(id_texts),
        Cells::Whole(id_numbers),
        texts(&batch.region),
        texts(&batch.parent_region),
        texts(&batch.priority),
        Cells::Whole(batch.occurred_at_us.clone()),
        Cells::Number(batch.distance_km.clone()),
        Cells::Number(batch.travel_time_s.clone()),
        Cells::Number(batch.weight.clone()),
        Cells::Text(batch.rows().map(|row| row.fault.map(|fault| fault.what)).collect()),
    ];
    own.into_iter().chain(lengths).collect()
}

fn texts(column: &TextColumn) -> Cells<'_> {
    Cells::Text((0..column.len()).map(|row| column.get(row)).collect())
}

/// The batches of a part, each of [`RecordBatch::MAX_ROWS`] rows at the most.
///
/// # Errors
/// [`StagedError`] where the bytes are not those of [`pack`].
pub(super) fn unpack(bytes: Vec<u8>) -> Result<Vec<RecordBatch>, StagedError> {
    let mut table = TableReader::open(bytes::Bytes::from(bytes))?;
    let classes = classes(table.columns())?;
    let mut batches = Vec::new();
    while let Some((n_rows, values)) = table.next_batch(RecordBatch::MAX_ROWS)? {
        batches.push(batch(n_rows, values, &classes)?);
    }
    Ok(batches)
}

/// Classes of road, where all columns before theirs are ours.
fn classes(columns: &[StoredColumn]) -> Result<Arc<[String]>, StagedError> {
    for (at, (name, _)) in OWN.iter().enumerate() {
        if columns.get(at).is_none_or(|column| column.name != *name) {
            return Err(StagedError::Column(name));
        }
    }
    let classes = columns[OWN.len()..].iter().map(|column| column.name.strip_prefix(LENGTH));
    classes.map(|class| class.map(str::to_owned).ok_or(StagedError::Column("length"))).collect()
}

/// The columns of a batch, handed out one after the other.
struct Columns(std::vec::IntoIter<Values>);

impl Columns {
    fn text(&mut self, name: &'static str) -> Result<TextColumn, StagedError> {
        match self.0.next() {
            Some(Values::Text(values)) => Ok(values.texts),
            _ => Err(StagedError::Column(name)),
        }
    }

    fn whole(&mut self, name: &'static str) -> Result<Vec<Option<i64>>, StagedError> {
        let Some(Values::Exact(values)) = self.0.next() else {
            return Err(StagedError::Column(name));
        };
        let whole = values.into_iter().map(|value| value.map(i64::try_from).transpose());
        whole.collect::<Result<_, _>>().map_err(|_| StagedError::Column(name))
    }

    fn number(&mut self, name: &'static str) -> Result<Vec<Option<f64>>, StagedError> {
        match self.0.next() {
            Some(Values::Float(values)) => Ok(values),
            _ => Err(StagedError::Column(name)),
        }
    }
}

/// Columns are taken in the order of [`OWN`].
fn batch(
    n_rows: usize,
    values: Vec<Values>,
    classes: &Arc<[String]>,
) -> Result<RecordBatch, StagedError> {
    let mut columns = Columns(values.into_iter());
    let id_texts = columns.text("incident_text")?;
    let id_numbers = columns.whole("incident_number")?;
    let region = columns.text("region")?;
    let parent_region = columns.text("parent_region")?;
    let priority = columns.text("priority")?;
    let occurred_at_us = columns.whole("occurred_at_us")?;
    let distance_km = columns.number("distance_km")?;
    let travel_time_s = columns.number("travel_time_s")?;
    let weight = columns.number("weight")?;
    let faults = columns.text("fault")?;
    let lengths = classes.iter().map(|_| columns.number("length"));
    let lengths = lengths.collect::<Result<Vec<_>, _>>()?;
    let mut batch = RecordBatch::of_classes(classes);
    let mut lengths_km = vec![None; classes.len()];
    for row in 0..n_rows {
        for (length, column) in lengths_km.iter_mut().zip(&lengths) {
            *length = column[row];
        }
        let number = id_numbers[row].map(IncidentId::Number);
        batch.push(RecordRef {
            incident_id: number.or_else(|| id_texts.get(row).map(IncidentId::Text)),
            region: region.get(row),
            parent_region: parent_region.get(row),
            priority: priority.get(row),
            occurred_at_us: occurred_at_us[row],
            distance_km: distance_km[row],
            travel_time_s: travel_time_s[row],
            weight: weight[row],
            lengths_km: &lengths_km,
            fault: faults.get(row).map(RowFault::row),
        });
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_comes_back_bit_for_bit() {
        let classes: Arc<[String]> = ["motorway".to_owned(), "a:b".to_owned()].into();
        let mut batch = RecordBatch::of_classes(&classes);
        let lengths = [Some(0.1 + 0.2), None];
        let ids = [Some(IncidentId::Number(i64::MIN)), Some(IncidentId::Text("7")), None];
        for (n, incident_id) in ids.into_iter().cycle().take(20_000).enumerate() {
            batch.push(RecordRef {
                incident_id,
                region: (n % 3 > 0).then_some("København 🚒"),
                parent_region: (n % 5 > 0).then_some(""),
                priority: Some("1"),
                occurred_at_us: (n % 7 > 0).then_some(i64::MAX - 1),
                distance_km: Some(if n % 11 == 0 { f64::NAN } else { 1.0 / (n as f64 + 3.0) }),
                travel_time_s: (n % 13 > 0).then_some(-0.0),
                weight: None,
                lengths_km: &lengths,
                fault: (n % 17 == 0).then_some(RowFault::row("no number")),
            });
        }
        let parts = unpack(pack(&[batch.clone(), batch.clone()]).unwrap()).unwrap();
        assert!(parts.iter().all(|part| part.len() <= RecordBatch::MAX_ROWS));
        let texts = |batches: &[RecordBatch]| -> Vec<String> {
            batches.iter().flat_map(RecordBatch::rows).map(|row| format!("{row:?}")).collect()
        };
        assert_eq!(texts(&parts), texts(&[batch.clone(), batch]));
        assert_eq!(parts[0].classes, classes);
        let bits = |batch: &RecordBatch| batch.travel_time_s[1].map(f64::to_bits);
        assert_eq!(bits(&parts[0]), Some((-0.0_f64).to_bits()));
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(unpack(b"PAR1 no".to_vec()).is_err());
        assert_eq!(unpack(pack(&[]).unwrap()).unwrap(), []);
    }
}
