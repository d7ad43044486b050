//! Records from CSV and Parquet: what is read, what is refused, and in which words.

#![expect(clippy::unwrap_used, reason = "a test ends where its own steps fail")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int64Array, LargeStringArray, RecordBatch as ArrowBatch, StringArray,
    StringViewArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt16Array,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use speedfit::adapters::file::{
    ColumnMap, DistanceUnit, Field, FileError, FileOptions, FileSource, Format, RecordReader,
    TimeUnit, sha256_of, write_records,
};
use speedfit::domain::record::RecordRef;
use speedfit::domain::{RecordBatch, Selection};
use speedfit::ports::{FailureKind, PortError, ReadQuery, RecordSource};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

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
            let at = row.occurred_at_us.map(|us| Timestamp::from_microsecond(us).unwrap());
            let mut cells = vec![
                row.incident_id.unwrap_or("-").to_owned(),
                row.region.unwrap_or("-").to_owned(),
                at.map_or("-".to_owned(), |at| at.to_string()),
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

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// The error with its cause and remedy, the folder left out.
fn told(error: FileError, folder: &Path) -> String {
    let mut text = format!("{error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        write!(text, "\ncaused by: {error}").unwrap();
        cause = error.source();
    }
    let kind = error.kind();
    let error = PortError::from(error);
    assert_eq!(error.kind, kind);
    write!(text, "\nhint: {}\nkind: {kind:?}", error.remedy()).unwrap();
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn the_contract_is_read() {
    let text = "\
incident_id,region,occurred_at,priority,distance_km,travel_time_s,parent_region,weight
i1, Nørre ,2026-01-05T07:30:00Z,A,1.5,240,North,2
\"i,2\",\"Say \"\"hi\"\"\",2026-01-05 07:30:00+01:00,,1e1,+3.5,,
,,,,,,,
i4,B, ,1,NaN,inf,,-0
";
    insta::assert_snapshot!(csv(text).unwrap(), @r#"
i1 | Nørre | 2026-01-05T07:30:00Z | A | 1.5 | 240 | North | x2
i,2 | Say "hi" | 2026-01-05T06:30:00Z | - | 10 | 3.5
- | - | - | - | - | -
i4 | B | - | 1 | NaN | inf | x-0
"#);
}

#[test]
fn header_may_be_in_any_order_with_more_columns_and_a_byte_order_mark() {
    let text = "\u{feff}\"travel_time_s\",note, region ,distance_km,note\r\n60,x,A,1,y\r\n";
    insta::assert_snapshot!(csv(text).unwrap(), @r"
- | A | - | - | 1 | 60
");
    assert_eq!(csv("region,distance_km,travel_time_s\n").unwrap(), "");
    assert_eq!(csv("region,distance_km,travel_time_s").unwrap(), "");
}

#[test]
fn settings_map_names_units_zone_and_delimiter() {
    let mut options = FileOptions::new("x.csv");
    options.columns = ColumnMap::default()
        .with(Field::Region, "Wache")
        .with(Field::Distance, "Strecke")
        .with(Field::TravelTime, "Fahrzeit")
        .with(Field::OccurredAt, "Beginn")
        .with(Field::Priority, " ");
    options.distance_unit = DistanceUnit::M;
    options.time_unit = TimeUnit::Min;
    options.time_zone = TimeZone::get("Europe/Berlin").unwrap();
    options.delimiter = b';';
    let text = "Beginn;Wache;Strecke;Fahrzeit\n2026-07-01 12:00;Süd;1500;2.5\n";
    insta::assert_snapshot!(csv_with(text, &options).unwrap(), @r"
- | Süd | 2026-07-01T10:00:00Z | - | 1.5 | 150
");
    options.distance_unit = DistanceUnit::Mi;
    options.time_unit = TimeUnit::H;
    insta::assert_snapshot!(csv_with(text, &options).unwrap(), @r"
- | Süd | 2026-07-01T10:00:00Z | - | 2414.016 | 9000
");
}

#[test]
fn rows_that_cannot_be_read_keep_what_can() {
    let rows: [&[u8]; 10] = [
        b"i2,A,2026-01-05T07:30:00Z,1,abc,60",
        b"i3,A,yesterday,1,1.5,60",
        b"i4,A,2026-01-05T07:30:00Z,1,\"1,5\",60",
        b"i5,A,2026-01-05T07:30:00Z,1,1,5,60",
        b"i6,A",
        b"i7,A\xff,2026-01-05T07:30:00Z,1,1.5,60",
        b"\xc3,A,,1,1.5,60",
        b"i9,A,,1,1.5,NULL",
        b"i10,A,,1,\xff,60 s",
        b"i11,A,,1,\x07xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,60",
    ];
    let mut text = HEADER.as_bytes().to_vec();
    for row in rows {
        text.push(b'\n');
        text.extend(row);
    }
    insta::assert_snapshot!(csv(text).unwrap(), @r"
i2 | A | 2026-01-05T07:30:00Z | 1 | - | 60 | (line 2: `abc` in column `distance_km` is not a number)
i3 | A | - | 1 | 1.5 | 60 | (line 3: `yesterday` in column `occurred_at` is not a time stamp)
i4 | A | 2026-01-05T07:30:00Z | 1 | - | 60 | (line 4: `1,5` in column `distance_km` is not a number)
i5 | A | 2026-01-05T07:30:00Z | 1 | 1 | 5 | (line 5: 7 fields where the header has 6)
i6 | A | - | - | - | - | (line 6: 2 fields where the header has 6)
i7 | - | 2026-01-05T07:30:00Z | 1 | 1.5 | 60 | (line 7: `A�` in column `region` is not text in UTF-8)
- | A | - | 1 | 1.5 | 60 | (line 8: `�` in column `incident_id` is not text in UTF-8)
i9 | A | - | 1 | 1.5 | - | (line 9: `NULL` in column `travel_time_s` is not a number)
i10 | A | - | 1 | - | - | (line 10: `�` in column `distance_km` is not text in UTF-8)
i11 | A | - | 1 | - | 60 | (line 11: `�xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` in column `distance_km` is not a number)
");
}

#[test]
fn faults_name_the_line_as_an_editor_counts() {
    let check = |text: &str, expected: &[&str]| {
        let shown = csv(format!("region,distance_km,travel_time_s{text}")).unwrap();
        let found: Vec<&str> =
            shown.lines().filter_map(|l| l.split_once('(')).map(|l| l.1).collect();
        let places: Vec<&str> = found.iter().map(|l| l.split_once(':').unwrap().0).collect();
        assert_eq!(places, expected, "{text:?}");
    };
    check("\nA,1,x", &["line 2"]);
    check("\nA,1,x\n", &["line 2"]);
    check("\nA,1,2\nA,1,x\n\n\nA,1,y\n", &["line 3", "line 6"]);
    check("\nA,1,2\n\nA,1,x", &["line 4"]);
    check("\r\nA,1,2\r\nA,1,x\r\n\r\n\r\nA,1,y", &["line 3", "line 6"]);
    check("\r\nA,1,x\r\nA,1,y\r\n", &["line 2", "line 3"]);
    check("\n\"A\nB\",1,x\nA,1,y\n", &["lines 2 to 3", "line 4"]);
    check("\r\n\"A\r\nB\",1,x\r\nA,1,y\r\n", &["lines 2 to 3", "line 4"]);
}

#[test]
fn time_stamps_as_people_write_them() {
    let check = |text: &str, zone: &str, expected: &str| {
        let mut options = FileOptions::new("x.csv");
        options.time_zone = TimeZone::get(zone).unwrap();
        let text = format!("{HEADER}\n,A,{text},,1,60\n");
        let shown = csv_with(&text, &options).unwrap();
        let found = shown.trim().strip_prefix("- | A | ").unwrap();
        assert_eq!(found.split(" | ").next().unwrap(), expected, "{text}");
        assert_eq!(found.contains("is not a time stamp"), expected == "-", "{found}");
    };
    check("2023-01-01T05:26:10Z", "UTC", "2023-01-01T05:26:10Z");
    check("2023-01-01T05:26:10.123456789Z", "UTC", "2023-01-01T05:26:10.123456Z");
    check("2023-01-01t05:26:10z", "Europe/London", "2023-01-01T05:26:10Z");
    check("2023-01-01T05:26:10+05:30", "Europe/London", "2022-12-31T23:56:10Z");
    check("2023-01-01 05:26:10-08:00", "Europe/London", "2023-01-01T13:26:10Z");
    check("2023-07-01T05:26:10", "Europe/London", "2023-07-01T04:26:10Z");
    check("2023-07-01 05:26:10.5", "Europe/London", "2023-07-01T04:26:10.5Z");
    check("2023-07-01 05:26", "Europe/London", "2023-07-01T04:26:00Z");
    check("2023-07-01", "America/New_York", "2023-07-01T04:00:00Z");
    // The hour that is skipped, and the hour that occurs twice.
    check("2023-03-26 01:30:00", "Europe/London", "2023-03-26T01:30:00Z");
    check("2023-10-29 01:30:00", "Europe/London", "2023-10-29T00:30:00Z");
    check("1969-12-31T23:59:59.5Z", "UTC", "1969-12-31T23:59:59.5Z");
    check("01/02/2023 05:26:10", "UTC", "-");
    check("2023-02-29T00:00:00Z", "UTC", "-");
    check("2023-01-01T25:00:00Z", "UTC", "-");
    check("2023-01-01T05:26:10[Europe/Paris]", "UTC", "-");
    check("1672531200", "UTC", "-");
    check("05:26:10", "UTC", "-");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = TempDir::new().unwrap();
    let rows = format!("{HEADER}\ni,A,2026-01-05T07:30:00Z,1,1.5,60\n");
    let packed = gzip(&rows);
    let utf16: Vec<u8> = "\u{feff}region,".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let unclosed = format!("{rows}i,\"A,,1,1.5,60\ni,A,,1,1.5,60\n");
    let endless = format!("{rows}i,\"{}", "x".repeat(2 << 20));
    let files: [(&str, &[u8]); 19] = [
        ("empty.csv", b""),
        ("blank.csv", b"\n\n"),
        ("spaces.csv", b"  \n"),
        ("other.csv", b"id,Region,distance_m\n"),
        ("semicolon.csv", b"region;distance_km;travel_time_s\nA;1;60\n"),
        ("twice.csv", b"region,region,distance_km,travel_time_s\n"),
        ("utf16.csv", &utf16),
        ("sheet.csv", b"PK\x03\x04\x14"),
        ("parquet.csv", b"PAR1\x15\x04"),
        ("binary.csv", b"\x00\x01\x02\xff\n\x00"),
        ("unclosed.csv", unclosed.as_bytes()),
        ("endless.csv", endless.as_bytes()),
        ("cut.csv.gz", &packed[..packed.len() - 9]),
        ("plain.csv.gz", rows.as_bytes()),
        ("none.csv.gz", b""),
        ("text.parquet", rows.as_bytes()),
        ("none.parquet", b""),
        ("packed.parquet.gz", &packed),
        ("data.xlsx", b"PK\x03\x04\x14"),
    ];
    let mut all = String::new();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        writeln!(all, "{}\n", told(file(&path).unwrap_err(), folder.path())).unwrap();
    }
    for name in ["absent.csv", "absent.parquet", "no/folder.csv.gz"] {
        let error = file(&folder.path().join(name)).unwrap_err();
        writeln!(all, "{}\n", told(error, folder.path())).unwrap();
    }
    for name in ["folder.csv", "folder.parquet"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let error = file(&folder.path().join(name)).unwrap_err();
        writeln!(all, "{}\n", told(error, folder.path())).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_chosen_column_must_be_there() {
    let mut options = FileOptions::new("x.csv");
    options.columns = ColumnMap::default().with(Field::Priority, "prio");
    let error = csv_with(format!("{HEADER}\n"), &options).unwrap_err();
    assert!(error.to_string().starts_with("`x.csv` has no column `prio`; it has"), "{error}");
    assert_eq!(
        error.hint().unwrap(),
        "did you mean `priority` for `prio`? names are compared exactly: \
         name the file's columns in the settings"
    );
}

#[test]
fn gzip_is_never_silently_a_shorter_file() {
    let folder = TempDir::new().unwrap();
    let mut rows = format!("{HEADER}\n");
    for n in 0..2000 {
        writeln!(rows, "i{n},A,2026-01-05T07:30:00Z,1,{}.5,60", n % 17).unwrap();
    }
    let expected = csv(&rows).unwrap();
    let packed = gzip(&rows);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(file(&write("whole.CSV.GZ", &packed)).unwrap(), expected);
    assert_eq!(file(&write("whole.csv", &packed)).unwrap(), expected, "told by its first bytes");
    let (head, tail) = rows.split_at(rows.len() / 3);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(file(&write("members.csv.gz", &members)).unwrap(), expected);
    for n_bytes in (0..packed.len()).step_by(97).chain(packed.len() - 12..packed.len()) {
        let error = file(&write("cut.csv.gz", &packed[..n_bytes])).unwrap_err();
        assert!(matches!(error, FileError::Gzip { .. }), "{n_bytes}: {error}");
    }
    for at in (10..packed.len()).step_by(61) {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x10;
        let error = file(&write("damaged.csv.gz", &damaged)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Malformed, "{at}: {error}");
    }
}

#[test]
fn quotation_marks_inside_a_text_do_no_harm() {
    let header = "region,distance_km,travel_time_s,note\n";
    assert_eq!(csv(format!("{header}A,1,60,5\" hose\n")).unwrap(), "- | A | - | - | 1 | 60\n");
    assert_eq!(
        csv(format!("{header}A,1,60,\"two\nlines\n\"")).unwrap(),
        "- | A | - | - | 1 | 60\n"
    );
    let error = csv(format!("{header}A,1,60,\"open\nB,1,60,x\nC,1,60,x")).unwrap_err();
    assert!(matches!(error, FileError::UnclosedQuote { line: 2, .. }), "{error}");
}

#[test]
fn checksum_is_that_of_the_bytes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, "abc").unwrap();
    assert_eq!(
        sha256_of(&path).unwrap(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(matches!(sha256_of(&folder.path().join("y")), Err(FileError::Open { .. })));
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = ArrowBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: [Option<&str>; 3]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn parquet_columns_of_odd_types_serve() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let decimals = Decimal128Array::from(vec![Some(15_000), None, Some(-1)]);
    let regions: DictionaryArray<Int32Type> =
        [Some(" A "), Some(""), Some("B")].into_iter().collect();
    let ns = vec![Some(1_767_598_200_123_456_789), None, Some(-1)];
    parquet(
        &path,
        vec![
            ("weight", Arc::new(UInt16Array::from(vec![Some(1), None, Some(3)]))),
            ("unused", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("incident_id", Arc::new(Int64Array::from(vec![7, -8, 9]))),
            ("region", Arc::new(regions)),
            ("parent_region", Arc::new(StringViewArray::from(vec![Some("P"), None, Some("Q")]))),
            ("occurred_at", Arc::new(TimestampNanosecondArray::from(ns).with_timezone("+05:30"))),
            ("priority", Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), Some(2.5)]))),
            ("distance_km", Arc::new(decimals.with_precision_and_scale(9, 4).unwrap())),
            ("travel_time_s", Arc::new(Float32Array::from(vec![Some(60.5), Some(f32::NAN), None]))),
        ],
    );
    insta::assert_snapshot!(file(&path).unwrap(), @r"
7 | A | 2026-01-05T07:30:00.123456Z | 1 | 1.5 | 60.5 | P | x1
-8 | - | - | - | - | NaN
9 | B | 1969-12-31T23:59:59.999999Z | 2.5 | -0.0001 | - | Q | x3
");
}

#[test]
fn parquet_texts_and_local_times_are_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let region = Arc::new(LargeStringArray::from(vec![Some("A"), None, Some("C")]));
    let dates = Arc::new(Date32Array::from(vec![Some(20_635), None, Some(i32::MAX)]));
    parquet(
        &path,
        vec![
            ("region", region),
            ("occurred_at", dates),
            ("distance_km", texts([Some(" 1.5 "), Some("abc"), Some("")])),
            ("travel_time_s", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ],
    );
    let mut options = FileOptions::new(&path);
    options.time_zone = TimeZone::get("America/New_York").unwrap();
    insta::assert_snapshot!(shown(RecordReader::open(&options).unwrap()).unwrap(), @r"
- | A | 2026-07-01T04:00:00Z | - | 1.5 | 1
- | - | - | - | - | 2 | (row 2: `abc` in column `distance_km` is not a number)
- | C | - | - | - | 3 | (row 3: `185542587100800000` in column `occurred_at` is not a time stamp)
");
    let local = vec![Some(1_783_000_000_000), Some(i64::MAX), None];
    parquet(
        &path,
        vec![
            ("region", texts([Some("A"), Some("B"), Some("C")])),
            ("occurred_at", Arc::new(TimestampMillisecondArray::from(local))),
            ("distance_km", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("travel_time_s", texts([Some("60"), Some("1,5"), None])),
            ("priority", Arc::new(arrow_array::NullArray::new(3))),
        ],
    );
    insta::assert_snapshot!(shown(RecordReader::open(&options).unwrap()).unwrap(), @r"
- | A | 2026-07-02T17:46:40Z | - | 1 | 60
- | B | - | - | 2 | - | (row 2: `1,5` in column `travel_time_s` is not a number)
- | C | - | - | 3 | -
");
}

#[test]
fn parquet_columns_that_cannot_serve_are_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let check = |change: (&'static str, ArrayRef), expected: &str| {
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let mut columns = vec![
            ("region", texts([Some("A"), None, None])),
            ("occurred_at", texts([None, None, None])),
            ("distance_km", ArrayRef::clone(&number)),
            ("travel_time_s", number),
        ];
        columns
            .iter_mut()
            .filter(|(name, _)| *name == change.0)
            .for_each(|c| c.1 = change.1.clone());
        parquet(&path, columns);
        let error = file(&path).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Malformed);
        assert_eq!(error.to_string().split_once(": ").unwrap().1, expected);
    };
    let flags = || Arc::new(BooleanArray::from(vec![true, false, true]));
    let lists = arrow_array::ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1)]),
        None,
        Some(vec![]),
    ]);
    let number = Arc::new(Int64Array::from(vec![1, 2, 3]));
    check(("distance_km", flags()), "column `distance_km` is of type Boolean, wanted is a number");
    check(
        ("travel_time_s", Arc::new(lists)),
        "column `travel_time_s` is of type List, wanted is a number",
    );
    check(("region", flags()), "column `region` is of type Boolean, wanted is a text or a number");
    check(
        ("occurred_at", number),
        "column `occurred_at` is of type Int64, wanted is a time stamp, a date or a text",
    );
    check(
        ("distance_km", Arc::new(Date32Array::from(vec![1, 2, 3]))),
        "column `distance_km` is of type Date32, wanted is a number",
    );
}

fn sample(n_rows: usize) -> Vec<RecordBatch> {
    let mut batches = vec![RecordBatch::default()];
    for n in 0..n_rows {
        if batches.last().is_some_and(RecordBatch::is_full) {
            batches.push(RecordBatch::default());
        }
        let id = format!("i{n}");
        let row = RecordRef {
            incident_id: Some(&id),
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
fn damaged_parquet_is_an_error_or_rows_never_a_panic() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    write_records(&path, &sample(500)).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut n_errors = 0;
    for at in (0..whole.len()).step_by(41) {
        for cut in [true, false] {
            let mut bytes = whole.clone();
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 0xff;
            }
            fs::write(&path, &bytes).unwrap();
            match file(&path) {
                Ok(_) => assert!(!cut, "a file cut at {at} was read"),
                Err(error) => {
                    assert_eq!(error.kind(), FailureKind::Malformed, "{at}: {error}");
                    n_errors += 1;
                }
            }
        }
    }
    assert!(n_errors > whole.len() / 41);
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut text = format!("{HEADER}\n").into_bytes();
        text.extend(&bytes);
        let _ = csv(&bytes);
        if let Ok(shown) = csv(&text) {
            let n_lines = bytes.iter().filter(|b| matches!(**b, b'\n' | b'\r')).count() + 1;
            prop_assert!(shown.lines().count() <= n_lines + bytes.len());
        }
    }

    #[test]
    fn every_line_of_plain_text_is_one_row(rows in prop::collection::vec("[ -!#-~ä€]{1,40}", 0..40)) {
        let text = format!("{HEADER}\n{}\n", rows.join("\n"));
        let reader = RecordReader::csv_from(std::io::Cursor::new(text), &FileOptions::new("x.csv"));
        let batches: Result<Vec<RecordBatch>, _> = reader.unwrap().collect();
        let n_rows: usize = batches.unwrap().iter().map(RecordBatch::len).sum();
        prop_assert_eq!(n_rows, rows.len());
    }

    #[test]
    fn numbers_survive_text(x in any::<f64>(), y in any::<i32>()) {
        let text = format!("region,distance_km,travel_time_s\nA, {x:?} ,{y}\n");
        let reader = RecordReader::csv_from(std::io::Cursor::new(text), &FileOptions::new("x.csv"));
        let batch = reader.unwrap().next().unwrap().unwrap();
        prop_assert_eq!(batch.distance_km[0].map(|x| x.is_nan()), Some(x.is_nan()));
        prop_assert!(x.is_nan() || batch.distance_km[0] == Some(x));
        prop_assert_eq!(batch.travel_time_s[0], Some(f64::from(y)));
    }
}

async fn read_all(source: &FileSource, query: &ReadQuery) -> Result<Vec<RecordBatch>, PortError> {
    let (sender, mut receiver) = mpsc::channel(2);
    let cancel = CancellationToken::new();
    let collect = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (done, batches) = tokio::join!(source.read(query, sender, &cancel), collect);
    done.map(|()| batches)
}

#[tokio::test]
async fn source_delivers_what_the_query_selects() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    write_records(&path, &sample(20_000)).unwrap();
    let source = FileSource::new(FileOptions::new(&path));
    assert!(source.describe().ends_with("x.parquet"));
    let n_rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::len).sum::<usize>();
    let all = ReadQuery::default();
    assert_eq!(source.n_rows_hint(&all).await.unwrap(), Some(20_000));
    assert_eq!(n_rows(&read_all(&source, &all).await.unwrap()), 20_000);
    let some = ReadQuery { selection: Selection::new(["A"]), ..ReadQuery::default() };
    assert_eq!(source.n_rows_hint(&some).await.unwrap(), None);
    let batches = read_all(&source, &some).await.unwrap();
    assert_eq!(n_rows(&batches), (0..20_000).filter(|n| n % 3 == 0 && n % 5 != 0).count());
    assert!(batches.iter().flat_map(RecordBatch::rows).all(|row| row.region == Some("A")));
    let none = ReadQuery { selection: Selection::new(["Z*"]), ..ReadQuery::default() };
    assert!(read_all(&source, &none).await.unwrap().is_empty());
}

#[tokio::test]
async fn source_stops_when_it_is_told_or_nobody_listens() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.csv");
    write_records(&path, &sample(60_000)).unwrap();
    let source = FileSource::new(FileOptions::new(&path));
    assert_eq!(source.n_rows_hint(&ReadQuery::default()).await.unwrap(), None);
    let cancel = CancellationToken::new();
    // The channel is full and nobody takes from it: only the signal can end this.
    let (sender, receiver) = mpsc::channel(1);
    let query = ReadQuery::default();
    let stop = async {
        while receiver.is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (done, ()) = tokio::join!(source.read(&query, sender, &cancel), stop);
    assert_eq!(done.unwrap_err().kind, FailureKind::Cancelled);
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let done = source.read(&query, sender, &CancellationToken::new()).await;
    assert_eq!(done.unwrap_err().kind, FailureKind::Cancelled);
    let absent = FileSource::new(FileOptions::new(folder.path().join("absent.csv")));
    assert_eq!(read_all(&absent, &query).await.unwrap_err().kind, FailureKind::Missing);
}

fn shared_data() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|folder| folder.join("shared/data")).find(|p| p.is_dir());
    if found.is_none() {
        println!("skipped: no folder `shared/data` above the project");
    }
    found
}

#[test]
fn real_incidents_are_read_whole() {
    let Some(data) = shared_data() else { return };
    let check = |name: &str, n_expected: usize| {
        let mut options = FileOptions::new(data.join("incidents").join(name));
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
