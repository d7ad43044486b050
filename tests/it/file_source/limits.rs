//! Parquet that would fill the memory, is damaged in its pages, or cannot be read as it is.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float64Array, RecordBatch as ArrowBatch,
    StringArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int96, Int96Type};
use parquet::file::metadata::ParquetMetaDataWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use speedfit::adapters::file::{ColumnMap, Field, FileError, FileOptions, RecordReader};
use tempfile::TempDir;

use super::{file, shown};

fn numbers(n: usize) -> ArrayRef {
    Arc::new(Float64Array::from(vec![1.0; n]))
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) {
    let batch = ArrowBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The error and its cause.
fn refused(path: &Path) -> String {
    let error = file(path).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let text = error.to_string();
    let text = text.split_once("` ").unwrap().1;
    format!("{text}: {}", cause.unwrap_or_default())
}

/// Each row a page of its own: all of them together would never be held.
#[test]
fn pages_of_one_long_text_are_refused_before_they_add_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let check = |megabytes: usize, compression, expected: &str| {
        let text = "x".repeat(megabytes << 20);
        let regions = StringArray::from(vec![text.as_str(); 3]);
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_dictionary_enabled(false)
            .set_data_page_row_count_limit(1)
            .set_write_batch_size(1)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let columns = vec![
            ("region", Arc::new(regions) as ArrayRef),
            ("distance_km", numbers(3)),
            ("travel_time_s", numbers(3)),
        ];
        write(&path, columns, properties);
        assert_eq!(refused(&path), expected);
    };
    let zstd = Compression::ZSTD(Default::default());
    let text =
        "is too large to be read: 1 rows of column `region` hold 90 MB of text; 64 MB is the most";
    check(90, zstd, text);
    check(90, Compression::SNAPPY, text);
    let pages = "is too large to be read: the pages of its columns take 270 MB at once, most of them \
                 those of `region`; 256 MB is the most";
    check(270, zstd, pages);
    check(270, Compression::GZIP(Default::default()), pages);
}

/// Texts of some megabytes, few at a time: what is held is bounded, and nothing is refused.
#[test]
fn long_texts_come_in_small_batches() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let text = "x".repeat(8 << 20);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(1)
        .set_write_batch_size(1)
        .build();
    let columns = vec![
        ("region", Arc::new(StringArray::from(vec![text.as_str(); 30])) as ArrayRef),
        ("distance_km", numbers(30)),
        ("travel_time_s", numbers(30)),
    ];
    write(&path, columns, properties);
    let reader = RecordReader::open(&FileOptions::new(&path)).unwrap();
    let sizes: Vec<_> = reader.map(|batch| batch.unwrap().len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 30);
    assert!(sizes.iter().all(|n_rows| *n_rows <= 4), "{sizes:?}");
}

/// Each text repeats the one before it, which takes no room in the file.
#[test]
fn texts_that_repeat_their_beginning_are_counted_as_they_come() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let text = "x".repeat(1 << 20);
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .build();
    let columns = vec![
        ("region", Arc::new(StringArray::from(vec![text.as_str(); 200])) as ArrayRef),
        ("distance_km", numbers(200)),
        ("travel_time_s", numbers(200)),
    ];
    let properties =
        properties.into_builder().set_column_encoding("distance_km".into(), Encoding::PLAIN);
    let properties =
        properties.set_column_encoding("travel_time_s".into(), Encoding::PLAIN).build();
    write(&path, columns, properties);
    assert!(fs::metadata(&path).unwrap().len() < 3 << 20);
    assert_eq!(
        refused(&path),
        "is too large to be read: 72 rows of column `region` hold 72 MB of text; 64 MB is the most"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_row_by_row() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    old_kind(&path, &[b"K\xf8benhavn", b"B"], [[0, 0, 2_461_223]; 2]);
    insta::assert_snapshot!(file(&path).unwrap(), @r"
- | - | 2026-07-01T00:00:00Z | - | 1 | 60 | (row 1: `K\xf8benhavn` in column `region` is not text in UTF-8)
- | B | 2026-07-01T00:00:00Z | - | 1 | 60
");
}

/// Julian days of 9999-12-31, 1753-01-01 by the U.S. Naval Observatory's calculator.
#[test]
fn every_day_of_the_calendar_is_a_date_in_parquet() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    old_kind(&path, &[b"A", b"B"], [[0, 0, 5_373_484], [0, 0, 2_361_331]]);
    assert_eq!(
        file(&path).unwrap(),
        "- | A | 253402214400000000 us | - | 1 | 60\n- | B | 1753-01-01T00:00:00Z | - | 1 | 60\n"
    );
}

/// Regions without a word about their characters, and time stamps of 96 bits.
fn old_kind(path: &Path, regions: &[&[u8]; 2], at: [[u32; 3]; 2]) {
    let schema = "message old {
        required binary region (UTF8);
        required int96 occurred_at;
        required double distance_km;
        required double travel_time_s;
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    column::<ByteArrayType>(&mut group, &regions.map(|bytes| ByteArray::from(bytes.to_vec())));
    column::<Int96Type>(&mut group, &at.map(|parts| Int96::from(parts.to_vec())));
    column::<DoubleType>(&mut group, &[1.0; 2]);
    column::<DoubleType>(&mut group, &[60.0; 2]);
    group.close().unwrap();
    writer.close().unwrap();
}

fn column<T: DataType>(group: &mut SerializedRowGroupWriter<'_, fs::File>, values: &[T::T]) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, None, None).unwrap();
    column.close().unwrap();
}

#[test]
fn a_column_that_is_not_needed_may_be_left_out() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let columns = vec![
        ("region", Arc::new(StringArray::from(vec!["A"])) as ArrayRef),
        ("distance_km", numbers(1)),
        ("travel_time_s", numbers(1)),
        ("weight", Arc::new(BooleanArray::from(vec![true]))),
        ("parent_region", Arc::new(BinaryArray::from(vec![b"x" as &[u8]]))),
    ];
    write(&path, columns, WriterProperties::default());
    let error = file(&path).unwrap_err();
    assert_eq!(
        error.hint().unwrap(),
        "write the column in that type, name another one, or leave it out: \
         `columns.parent_region = \"\"`"
    );
    let mut options = FileOptions::new(&path);
    options.columns = ColumnMap::default().with(Field::ParentRegion, "").with(Field::Weight, " ");
    let shown = shown(RecordReader::open(&options).unwrap()).unwrap();
    assert_eq!(shown, "- | A | - | - | 1 | 1\n");
}

/// Both forms: a footer that is encrypted, and one that only says that columns are.
#[test]
fn encrypted_parquet_is_called_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let columns = vec![("region", Arc::new(StringArray::from(vec!["A"])) as ArrayRef)];
    write(&path, columns, WriterProperties::default());
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(b"PARE");
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(file(&path).unwrap_err(), FileError::ParquetEncrypted { .. }));
    // Field 1 is the version, field 8 the algorithm: AES_GCM_V1 without particulars.
    let footer = [0x15, 0x04, 0x7c, 0x1c, 0x00, 0x00, 0x00];
    let bytes = [b"PAR1", &footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat();
    fs::write(&path, &bytes).unwrap();
    let error = file(&path).unwrap_err();
    assert!(matches!(error, FileError::ParquetEncrypted { .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "write it again without encryption");
}

/// A dictionary's header asks for room for more values than a page could hold.
#[test]
fn a_dictionary_without_end_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let regions: DictionaryArray<Int32Type> = ["A", "B", "A"].into_iter().collect();
    let columns = vec![
        ("region", Arc::new(regions) as ArrayRef),
        ("distance_km", numbers(3)),
        ("travel_time_s", numbers(3)),
    ];
    write(&path, columns, WriterProperties::default());
    let mut bytes = fs::read(&path).unwrap();
    // The page begins with its type (2) and its two sizes (10 bytes each); field 7 is what is told of
    // the dictionary, whose first field is the number of values. Here 2 becomes 63 with the top bits
    // of a longer number, for which the next field has to give way.
    assert_eq!(bytes[4..10], [0x15, 0x04, 0x15, 0x14, 0x15, 0x14]);
    assert_eq!(bytes[10..17], [0x4c, 0x15, 0x04, 0x15, 0x00, 0x12, 0x00]);
    bytes[10..17].copy_from_slice(&[0x4c, 0x15, 0xfe, 0xff, 0xff, 0x7f, 0x00]);
    fs::write(&path, &bytes).unwrap();
    assert!(refused(&path).starts_with("is too large to be read: the pages of its columns take 5"));
}

#[test]
fn a_page_that_is_not_what_its_checksum_says_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    let check = |flipped: u8, expected: Option<&str>| {
        let columns = vec![
            ("region", Arc::new(StringArray::from(vec!["A"])) as ArrayRef),
            ("distance_km", numbers(1)),
            ("travel_time_s", numbers(1)),
        ];
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        write(&path, columns, properties);
        add_checksum(&path, flipped);
        match expected {
            None => assert_eq!(file(&path).unwrap(), "- | A | - | - | 1 | 1\n"),
            Some(expected) => assert_eq!(refused(&path), expected),
        }
    };
    check(0, None);
    let expected = "cannot be read as Parquet: Parquet error: Page CRC checksum mismatch";
    check(1, Some(expected));
    check(0x80, Some(expected));
}

/// Appends the distances' page once more, with a checksum and then another bit in it, and tells the
/// file that it stands there.
fn add_checksum(path: &Path, flipped: u8) {
    let mut bytes = fs::read(path).unwrap();
    let old = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let group = old.metadata().row_group(0);
    let (start, n_bytes) = group.column(1).byte_range();
    let page = bytes[start as usize..(start + n_bytes) as usize].to_vec();
    // Type and two sizes, each below 64; field 5 follows.
    assert_eq!((page[0], page[2], page[4], page[6]), (0x15, 0x15, 0x15, 0x2c));
    let data = &page[page.len() - usize::from(page[5] / 2)..];
    let mut checksum = flate2::Crc::new();
    checksum.update(data);
    let checksum = i64::from(checksum.sum().cast_signed());
    let mut zigzag = ((checksum << 1) ^ (checksum >> 63)).cast_unsigned();
    let mut field = vec![0x15];
    while zigzag >= 0x80 {
        field.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    field.extend([zigzag as u8, 0x1c]);
    let mut page = [&page[..6], &field, &page[7..]].concat();
    *page.last_mut().unwrap() ^= flipped;

    let column = group.column(1).clone().into_builder();
    let column = column.set_data_page_offset(bytes.len() as i64);
    let column = column.set_total_compressed_size(page.len() as i64).build().unwrap();
    let columns = vec![group.column(0).clone(), column, group.column(2).clone()];
    let group = group.clone().into_builder().set_column_metadata(columns).build().unwrap();
    let metadata = old.metadata().clone().into_builder().set_row_groups(vec![group]).build();
    bytes.extend(page);
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    fs::write(path, bytes).unwrap();
}
