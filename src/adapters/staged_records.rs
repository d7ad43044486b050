//! Records on their way through a store, in Parquet: every field as it was read, dirt included.
//!
//! Names of columns are ours alone; knows no database.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array as _, ArrayRef, RecordBatch as Table};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch};

/// Batches of one part: a quarter of a million records, some MB.
pub(super) const BATCHES_PER_PART: usize = 32;

/// Records that cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum StagedError {
    /// The columns do not fit.
    #[error("the staged records do not fit their columns")]
    Arrow(#[from] ArrowError),
    /// No Parquet, or a broken one.
    #[error("the staged records are no Parquet of ours")]
    Parquet(#[from] ParquetError),
    /// A column is missing or of another type.
    #[error("the staged records have no column `{0}` of its type")]
    Column(&'static str),
}

/// Stands before the name of a class of road in the name of its column.
const LENGTH: &str = "length:";

fn schema(classes: &[String]) -> Arc<Schema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let whole = |name: &str| Field::new(name, DataType::Int64, true);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let mut fields = vec![
        text("incident_text"),
        whole("incident_number"),
        text("region"),
        text("parent_region"),
        text("priority"),
        whole("occurred_at_us"),
        number("distance_km"),
        number("travel_time_s"),
        number("weight"),
        text("fault"),
    ];
    fields.extend(classes.iter().map(|class| number(&format!("{LENGTH}{class}"))));
    Arc::new(Schema::new(fields))
}

/// The records of batches that all have the same classes of road.
///
/// # Errors
/// [`StagedError`] where Parquet cannot be written.
pub(super) fn pack(batches: &[RecordBatch]) -> Result<Vec<u8>, StagedError> {
    let classes = batches.first().map(|batch| Arc::clone(&batch.classes)).unwrap_or_default();
    let schema = schema(&classes);
    let level = ZstdLevel::try_new(1)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties))?;
    for batch in batches {
        writer.write(&Table::try_new(Arc::clone(&schema), columns(batch))?)?;
    }
    writer.close()?;
    Ok(bytes)
}

fn columns(batch: &RecordBatch) -> Vec<ArrayRef> {
    let mut texts: [StringBuilder; 5] = std::array::from_fn(|_| StringBuilder::new());
    let mut wholes: [Int64Builder; 2] = std::array::from_fn(|_| Int64Builder::new());
    let mut numbers: [Float64Builder; 3] = std::array::from_fn(|_| Float64Builder::new());
    let mut lengths: Vec<_> = batch.classes.iter().map(|_| Float64Builder::new()).collect();
    for row in batch.rows() {
        let (text, number) = match row.incident_id {
            Some(IncidentId::Text(text)) => (Some(text), None),
            Some(IncidentId::Number(number)) => (None, Some(number)),
            None => (None, None),
        };
        let values = [text, row.region, row.parent_region, row.priority, row.fault];
        texts.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
        let values = [number, row.occurred_at_us];
        wholes.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
        let values = [row.distance_km, row.travel_time_s, row.weight];
        numbers.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
        let values = row.lengths_km.iter();
        lengths.iter_mut().zip(values).for_each(|(column, value)| column.append_option(*value));
    }
    let [id_text, region, parent, priority, fault] = texts.map(|mut c| Arc::new(c.finish()) as _);
    let [id_number, occurred] = wholes.map(|mut column| Arc::new(column.finish()) as _);
    let [distance, time, weight] = numbers.map(|mut column| Arc::new(column.finish()) as _);
    let lengths = lengths.into_iter().map(|mut column| Arc::new(column.finish()) as _);
    [id_text, id_number, region, parent, priority, occurred, distance, time, weight, fault]
        .into_iter()
        .chain(lengths)
        .collect()
}

/// The batches of a part, each of [`RecordBatch::MAX_ROWS`] rows at the most.
///
/// # Errors
/// [`StagedError`] where the bytes are not those of [`pack`].
pub(super) fn unpack(bytes: Vec<u8>) -> Result<Vec<RecordBatch>, StagedError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))?;
    let classes = reader.schema().fields().iter();
    let classes = classes.filter_map(|field| field.name().strip_prefix(LENGTH).map(str::to_owned));
    let classes: Arc<[String]> = classes.collect();
    let reader = reader.with_batch_size(RecordBatch::MAX_ROWS).build()?;
    reader.map(|table| batch(&table?, &classes)).collect()
}

fn batch(table: &Table, classes: &Arc<[String]>) -> Result<RecordBatch, StagedError> {
    let text = |name: &'static str| {
        let column = table.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
        column.ok_or(StagedError::Column(name))
    };
    let whole = |name: &'static str| {
        let column = table.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>());
        column.ok_or(StagedError::Column(name))
    };
    let number = |name: &'static str| {
        let column = table.column_by_name(name).and_then(|c| c.as_primitive_opt::<Float64Type>());
        column.ok_or(StagedError::Column(name))
    };
    let (id_text, id_number) = (text("incident_text")?, whole("incident_number")?);
    let (region, parent) = (text("region")?, text("parent_region")?);
    let (priority, fault) = (text("priority")?, text("fault")?);
    let occurred = whole("occurred_at_us")?;
    let (distance, time) = (number("distance_km")?, number("travel_time_s")?);
    let weight = number("weight")?;
    let n_own = table.num_columns() - classes.len();
    let lengths = table.columns()[n_own..].iter().map(|column| {
        column.as_primitive_opt::<Float64Type>().ok_or(StagedError::Column("length"))
    });
    let lengths = lengths.collect::<Result<Vec<_>, _>>()?;
    let mut batch = RecordBatch::of_classes(classes);
    let mut lengths_km = vec![None; classes.len()];
    for row in 0..table.num_rows() {
        for (length, column) in lengths_km.iter_mut().zip(&lengths) {
            *length = column.is_valid(row).then(|| column.value(row));
        }
        let number = id_number.is_valid(row).then(|| IncidentId::Number(id_number.value(row)));
        let id_text = id_text.is_valid(row).then(|| IncidentId::Text(id_text.value(row)));
        batch.push(RecordRef {
            incident_id: number.or(id_text),
            region: region.is_valid(row).then(|| region.value(row)),
            parent_region: parent.is_valid(row).then(|| parent.value(row)),
            priority: priority.is_valid(row).then(|| priority.value(row)),
            occurred_at_us: occurred.is_valid(row).then(|| occurred.value(row)),
            distance_km: distance.is_valid(row).then(|| distance.value(row)),
            travel_time_s: time.is_valid(row).then(|| time.value(row)),
            weight: weight.is_valid(row).then(|| weight.value(row)),
            lengths_km: &lengths_km,
            fault: fault.is_valid(row).then(|| fault.value(row)),
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
                fault: (n % 17 == 0).then_some("no number"),
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
