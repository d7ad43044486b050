//! Parquet: columns of odd types, and damaged files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
    Float16Array, Float32Array, Float64Array, Int8Array, Int64Array, LargeStringArray,
    RecordBatch as ArrowBatch, StringArray, StringViewArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt16Array, UInt64Array,
};
use half::f16;
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type, Int96, Int96Type};
use parquet::file::metadata::ParquetMetaDataWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use speedfit::adapters::file::{Field, FileOptions, RecordReader, write_records};
use speedfit::domain::RecordBatch;
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
- | C | - | - | - | 3 | (row 3: `2147483647` in column `occurred_at` is not a time stamp)
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
fn parquet_numbers_keep_all_their_digits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let decimals = |values: [i128; 3], precision, scale| {
        let decimals = Decimal128Array::from(values.to_vec());
        Arc::new(decimals.with_precision_and_scale(precision, scale).unwrap())
    };
    parquet(
        &path,
        vec![
            ("incident_id", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1 << 63]))),
            ("region", decimals([12, -7, 0], 30, 0)),
            ("priority", decimals([1_050, -5, 0], 12, 2)),
            ("parent_region", Arc::new(Int8Array::from(vec![1, -128, 127]))),
            ("distance_km", decimals([123_456_789_012_345_678_901_234, -1, 25], 38, 20)),
            (
                "travel_time_s",
                Arc::new(Float16Array::from(vec![f16::from_f32(0.5), f16::NAN, f16::MAX])),
            ),
        ],
    );
    insta::assert_snapshot!(file(&path).unwrap(), @r"
18446744073709551615 | 12 | - | 10.50 | 1234.567890123457 | 0.5 | 1
0 | -7 | - | -0.05 | -0.00000000000000000001 | NaN | -128
9223372036854775808 | 0 | - | 0.00 | 0.00000000000000000025 | 65504 | 127
");
}

/// What Hive, Impala and old versions of Spark write: no logical types, time stamps of 96 bits.
#[test]
fn parquet_of_the_old_kind_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let schema = "message old {
        required binary region (UTF8);
        optional int96 occurred_at;
        required int64 incident_id (UINT_64);
        required double distance_km;
        required binary travel_time_s (DECIMAL(20, 3));
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(fs::File::create(&path).unwrap(), schema, Default::default())
            .unwrap();
    // Two row groups, the second of one row.
    for rows in [0..2, 2..3] {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let regions = ["A", "B", "Ç"].map(ByteArray::from);
        column.typed::<ByteArrayType>().write_batch(&regions[rows.clone()], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        // Half past noon of 2026-07-01, whose Julian day number is 2,461,223; the second row is null.
        let ns: u64 = 45_000_000_000_000;
        let at = Int96::from(vec![ns as u32, (ns >> 32) as u32, 2_461_223]);
        let levels: Vec<i16> = rows.clone().map(|row| i16::from(row != 1)).collect();
        column.typed::<Int96Type>().write_batch(&[at], Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[-1, 2, 3][rows.clone()], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<DoubleType>()
            .write_batch(&[0.1, -0.0, 3.0][rows.clone()], None, None)
            .unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let times = [vec![0x01, 0x00, 0x00], vec![0xff], vec![0x00, 0xff]].map(ByteArray::from);
        column.typed::<ByteArrayType>().write_batch(&times[rows], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    let mut options = FileOptions::new(&path);
    options.time_zone = TimeZone::get("America/New_York").unwrap();
    insta::assert_snapshot!(shown(RecordReader::open(&options).unwrap()).unwrap(), @r"
18446744073709551615 | A | 2026-07-01T16:30:00Z | - | 0.1 | 65.536
2 | B | - | - | -0 | -0.001
3 | Ç | 2026-07-01T16:30:00Z | - | 3 | 0.255
");
}

#[test]
fn rows_of_many_row_groups_come_in_order() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let ids = Int64Array::from_iter_values(0..20_000);
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 20_000]));
    let columns: [(&str, ArrayRef); 4] = [
        ("incident_id", Arc::new(ids)),
        ("region", Arc::new(StringArray::from(vec!["A"; 20_000]))),
        ("distance_km", ArrayRef::clone(&numbers)),
        ("travel_time_s", numbers),
    ];
    let batch = ArrowBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(9_000)).build();
    let file = fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let reader = RecordReader::open(&FileOptions::new(&path)).unwrap();
    assert_eq!(reader.n_rows(), Some(20_000));
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let sizes: Vec<_> = batches.iter().map(RecordBatch::len).collect();
    assert_eq!(sizes, [8_192, 808, 8_192, 808, 2_000]);
    let ids = batches.iter().flat_map(RecordBatch::rows);
    let ids = ids.map(|row| row.incident_id.unwrap().to_string());
    assert!(ids.eq((0..20_000).map(|id: i64| id.to_string())));
}

/// A small file whose one text, told once, stands in every row: unpacked it would fill the memory.
#[test]
fn texts_that_unpack_without_end_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let long = "x".repeat(64 << 10);
    let regions: DictionaryArray<Int32Type> =
        std::iter::repeat_n(Some(long.as_str()), 8_000).collect();
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 8_000]));
    parquet(
        &path,
        vec![
            ("region", Arc::new(regions)),
            ("distance_km", ArrayRef::clone(&numbers)),
            ("travel_time_s", numbers),
        ],
    );
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let error = file(&path).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Malformed);
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap(), @"8000 rows of column `region` hold 500 MB of text; 64 MB is the most");
}

#[test]
fn a_compression_that_is_not_known_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let columns = [
        ("region", texts([Some("A"), None, None])),
        ("distance_km", ArrayRef::clone(&number)),
        ("travel_time_s", number),
    ];
    parquet(&path, columns.into());
    // The pages stay as they are; the end of the file says that they are something else.
    let file_of_ours = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let metadata = file_of_ours.metadata().clone();
    let groups = metadata.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| {
            let column = column.clone().into_builder().set_compression(Compression::LZ4_RAW);
            column.build().unwrap()
        });
        let columns = columns.collect();
        group.clone().into_builder().set_column_metadata(columns).build().unwrap()
    });
    let groups = groups.collect();
    let metadata = metadata.into_builder().set_row_groups(groups).build();
    let mut bytes = fs::read(&path).unwrap();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    fs::write(&path, &bytes).unwrap();
    let error = file(&path).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Malformed);
    assert_eq!(
        error.to_string().split_once("` ").unwrap().1,
        "is Parquet compressed by LZ4, which is not supported"
    );
    assert_eq!(error.hint().unwrap(), "write it again with Snappy, gzip, Zstandard or none");
}

#[test]
fn one_column_serves_two_fields() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let columns = [
        ("zone", texts([Some("A"), None, Some("B")])),
        ("distance_km", ArrayRef::clone(&number)),
        ("travel_time_s", number),
    ];
    parquet(&path, columns.into());
    let mut options = FileOptions::new(&path);
    options.columns = options.columns.with(Field::Region, "zone").with(Field::Priority, "zone");
    insta::assert_snapshot!(shown(RecordReader::open(&options).unwrap()).unwrap(), @r"
    - | A | - | A | 1 | 1
    - | - | - | - | 2 | 2
    - | B | - | B | 3 | 3
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
        "column `occurred_at` is of type Integer, wanted is a time stamp, a date or a text",
    );
    let wide = Decimal256Array::new_null(3).with_precision_and_scale(50, 2).unwrap();
    check(
        ("distance_km", Arc::new(wide)),
        "column `distance_km` is of type Decimal(50, 2), wanted is a number",
    );
    check(
        ("distance_km", Arc::new(Date32Array::from(vec![1, 2, 3]))),
        "column `distance_km` is of type Date, wanted is a number",
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
