//! Rows of CSV: values as people write them, and faults with their place.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use speedfit::adapters::file::{
    ColumnMap, DistanceUnit, Field, FileOptions, RecordReader, TimeUnit,
};
use speedfit::domain::RecordBatch;

use super::{HEADER, csv, csv_with};

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
- | - | 2026-01-05T07:30:00Z | - | - | - | (line 5: 7 fields where the header has 6)
- | - | - | - | - | - | (line 6: 2 fields where the header has 6)
i7 | - | 2026-01-05T07:30:00Z | 1 | 1.5 | 60 | (line 7: `A\xff` in column `region` is not text in UTF-8)
- | A | - | 1 | 1.5 | 60 | (line 8: `\xc3` in column `incident_id` is not text in UTF-8)
i9 | A | - | 1 | 1.5 | - | (line 9: `NULL` in column `travel_time_s` is not a number)
i10 | A | - | 1 | - | - | (line 10: `\xff` in column `distance_km` is not text in UTF-8)
i11 | A | - | 1 | - | 60 | (line 11: `�xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` in column `distance_km` is not a number)
");
}

#[test]
fn two_halves_of_a_character_are_no_text() {
    let row = b"region,priority,distance_km,travel_time_s\nA\xc3,\xa9,1,60\n";
    let fault = "(line 2: `A\\xc3` in column `region` is not text in UTF-8)";
    assert_eq!(csv(row).unwrap(), format!("- | - | - | - | 1 | 60 | {fault}\n"));
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
