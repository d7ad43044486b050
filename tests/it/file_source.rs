//! Records from CSV and Parquet: what is read, what is refused, and in which words.

#![expect(clippy::unwrap_used, reason = "a test ends where its own steps fail")]

mod columnar;
mod limits;
mod port;
mod rows;
mod whole;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use speedfit::adapters::file::{FileError, FileOptions, Format, RecordReader, write_records};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{IncidentId, RecordBatch};
use tempfile::TempDir;

use crate::support::program::incidents;

const HEADER: &str = "incident_id,region,occurred_at,priority,distance_km,travel_time_s";

fn csv(text: impl AsRef<[u8]>) -> Result<String, FileError> {
    csv_with(text, &FileOptions::new("x.csv"))
}

fn csv_with(text: impl AsRef<[u8]>, options: &FileOptions) -> Result<String, FileError> {
    let stream = std::io::Cursor::new(text.as_ref().to_vec());
    shown(RecordReader::csv_from(stream, options)?)
}

fn file(path: &Path) -> Result<String, FileError> {
    shown(RecordReader::open(&FileOptions::new(path))?)
}

/// One line per record: the fields in the contract's order, `-` for null, and what is wrong.
fn shown(reader: RecordReader) -> Result<String, FileError> {
    let mut text = String::new();
    for batch in reader {
        for row in batch?.rows() {
            // The last hours of the calendar are no timestamps any more.
            let at = row.occurred_at_us.map(|us| {
                Timestamp::from_microsecond(us).map_or(format!("{us} us"), |at| at.to_string())
            });
            let mut cells = vec![
                row.incident_id.map_or("-".to_owned(), |id| id.to_string()),
                row.region.unwrap_or("-").to_owned(),
                at.unwrap_or("-".to_owned()),
                row.priority.unwrap_or("-").to_owned(),
                row.distance_km.map_or("-".to_owned(), |x| x.to_string()),
                row.travel_time_s.map_or("-".to_owned(), |x| x.to_string()),
            ];
            cells.extend(row.parent_region.map(str::to_owned));
            cells.extend(row.weight.map(|x| format!("x{x}")));
            cells.extend(row.fault.map(|fault| format!("({fault})")));
            writeln!(text, "{}", cells.join(" | ")).unwrap();
        }
    }
    Ok(text)
}

fn sample(n_rows: usize) -> Vec<RecordBatch> {
    let mut batches = vec![RecordBatch::default()];
    for n in 0..n_rows {
        if batches.last().is_some_and(RecordBatch::is_full) {
            batches.push(RecordBatch::default());
        }
        let id = format!("i{n}");
        let row = RecordRef {
            incident_id: Some(IncidentId::Text(&id)),
            region: (n % 5 != 0).then_some(["A", "B \"x\", y", "Ø"][n % 3]),
            parent_region: (n % 2 == 0).then_some("P"),
            occurred_at_us: (n % 7 != 0).then_some(1_767_598_200_000_000 + n as i64 * 1_234_567),
            distance_km: (n % 11 != 0).then_some(n as f64 / 3.0),
            travel_time_s: Some(1e-7 * n as f64),
            weight: (n % 2 == 0).then_some(2.0),
            ..RecordRef::default()
        };
        if let Some(batch) = batches.last_mut() {
            batch.push(row);
        }
    }
    batches
}

#[test]
fn records_come_back_as_they_were_written() {
    let folder = TempDir::new().unwrap();
    let n_rows = RecordBatch::MAX_ROWS * 2 + 5;
    let batches = sample(n_rows);
    for name in ["x.csv", "x.csv.gz", "x.parquet"] {
        let path = folder.path().join(name);
        write_records(&path, &batches).unwrap();
        let reader = RecordReader::open(&FileOptions::new(&path)).unwrap();
        assert_eq!(reader.n_rows(), name.ends_with("parquet").then_some(n_rows as u64));
        let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
        let rows = |batches: &[RecordBatch]| {
            batches
                .iter()
                .flat_map(|b| b.rows().map(|r| format!("{r:?}")).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        assert!(rows(&read) == rows(&batches), "{name}");
        assert!(read.iter().all(|batch| batch.len() <= RecordBatch::MAX_ROWS), "{name}");
    }
    let path = folder.path().join("none.csv");
    write_records(&path, []).unwrap();
    let header = format!("{HEADER},parent_region,weight\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), header);
}

#[test]
fn real_incidents_are_read_whole() {
    let Some(data) = incidents() else { return };
    let check = |name: &str, n_expected: usize| {
        let mut options = FileOptions::new(data.join(name));
        options.format = Some(Format::Csv);
        let batches: Vec<RecordBatch> =
            RecordReader::open(&options).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(batches.iter().map(RecordBatch::len).sum::<usize>(), n_expected, "{name}");
        assert_eq!(batches.iter().map(|b| b.faults.len()).sum::<usize>(), 0, "{name}");
        assert!(batches.iter().all(|b| b.occurred_at_us.iter().all(Option::is_some)), "{name}");
    };
    check("lfb_incidents_2017.raw.csv.gz", 32_247);
    check("lfb_incidents_2017.clean.csv.gz", 30_096);
    check("sf_fire.raw.csv.gz", 10_124);
    check("sf_fire.clean.csv.gz", 7_533);
    check("nyc_green_2023q1.raw.csv.gz", 205_064);
    check("nyc_green_2023q1.clean.csv.gz", 192_588);
}
