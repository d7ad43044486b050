//! Parquet: columns of odd types, and damaged files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int64Array, LargeStringArray, RecordBatch as ArrowBatch, StringArray,
    StringViewArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt16Array,
};
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use speedfit::adapters::file::{FileOptions, RecordReader, write_records};
use speedfit::ports::FailureKind;
use tempfile::TempDir;

use super::{file, sample, shown};

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
