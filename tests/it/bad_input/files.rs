//! Files that are missing, broken, empty or of another kind.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;

use super::{Desk, HEADER, rows};

/// `fit` and `import` say the same, and the current set stays.
fn check(desk: &Desk, file: &str, stderr: &str) {
    let (current, imports) = (desk.current(), desk.done("run --dry-run --json").json());
    desk.fails(&format!("fit {file}"), 4, stderr);
    desk.fails(&format!("import {file}"), 4, stderr);
    assert_eq!(desk.current(), current, "{file}");
    assert_eq!(desk.done("run --dry-run --json").json()["rows"], imports["rows"], "{file}");
}

#[test]
fn files_that_cannot_be_read() {
    let desk = Desk::published();
    let good = desk.read("good.csv") + &rows("A", 1);
    check(
        &desk,
        "nosuch.csv",
        "error: cannot open `nosuch.csv`\n\
         caused by: No such file or directory (os error 2)\n\
         hint: check the path; a relative one starts at the working directory\n",
    );
    fs::create_dir(desk.path("folder.csv")).unwrap();
    check(
        &desk,
        "folder.csv",
        "error: `folder.csv` is a folder, not a file\nhint: name a file in it\n",
    );
    desk.write("empty.csv", "");
    check(
        &desk,
        "empty.csv",
        "error: `empty.csv` is empty: it has no header\n\
         hint: check that whatever writes the file has finished\n",
    );
    desk.write("good.xyz", &good);
    check(
        &desk,
        "good.xyz",
        "error: cannot tell the format of `good.xyz` from its name\n\
         hint: let the name end in `.csv`, `.csv.gz` or `.parquet`, or name the format: \
         `--set file.format=csv`\n",
    );
    desk.done("fit good.xyz --set file.format=csv");
    desk.write("noise.csv", [0x89, b'P', b'N', b'G', 0, 1, 2, 3, 27, b'[']);
    check(
        &desk,
        "noise.csv",
        "error: `noise.csv` is not CSV in UTF-8: it looks like a binary file\n\
         hint: name a file with text\n",
    );
}

#[test]
fn a_truncated_gzip_leaves_nothing() {
    let desk = Desk::published();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(format!("{HEADER}{}", rows("C", 20_000)).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    // So late that thousands of its rows are read before it breaks off.
    desk.write("cut.csv.gz", &packed[..packed.len() - 100]);
    check(
        &desk,
        "cut.csv.gz",
        "error: `cut.csv.gz` is not a whole gzip file\n\
         caused by: incomplete deflate stream\n\
         hint: copy the file again; `gzip -t` tells whether it is whole\n",
    );
}

#[test]
fn a_wrong_header_names_the_column() {
    let desk = Desk::published();
    desk.write("wrong.csv", desk.read("good.csv").replace("distance_km", "distance"));
    check(
        &desk,
        "wrong.csv",
        "error: `wrong.csv` has no column `distance_km`; it has `incident_id`, `region`, \
         `occurred_at`, `priority`, `distance`, `travel_time_s`\n\
         hint: did you mean `distance` for `distance_km`? names are compared exactly: name the \
         file's columns in the settings\n",
    );
    desk.done("fit wrong.csv --set columns.distance=distance");
}

#[test]
fn parquet_of_another_kind() {
    let desk = Desk::published();
    desk.write("text.parquet", desk.read("good.csv") + &rows("A", 1));
    check(
        &desk,
        "text.parquet",
        "error: `text.parquet` cannot be read as Parquet\n\
         caused by: Parquet error: Invalid Parquet file. Corrupt footer\n\
         hint: copy the file again; if it is CSV, let its name end in `.csv`\n",
    );
    let columns: [(&str, ArrayRef); 3] = [
        ("region", Arc::new(StringArray::from(vec!["A"]))),
        ("distance_km", Arc::new(BooleanArray::from(vec![true]))),
        ("travel_time_s", Arc::new(Float64Array::from(vec![300.0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(desk.path("types.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    check(
        &desk,
        "types.parquet",
        "error: `types.parquet`: column `distance_km` is of type Boolean, wanted is a number\n\
         hint: write the column in that type, or name another one: `columns`\n",
    );
}

#[test]
fn a_file_without_records_says_so() {
    let desk = Desk::published();
    desk.write("header.csv", HEADER);
    let check = |args: &str, stderr: &str| desk.comes_to_nothing(args, stderr);
    check(
        "fit header.csv",
        "error: nothing fitted: `header.csv` holds no record\n\
         hint: check that whatever writes the file has finished\n",
    );
    check(
        "fit good.csv --select nosuch",
        "error: nothing fitted: `good.csv` holds no record of `nosuch`\n\
         hint: check the names given to `--select` (`*` stands for any text)\n",
    );
    check(
        "fit good.csv --from 2030-01-01",
        "error: nothing fitted: all 120 rows of `good.csv` were refused, 120 as outside_window: such as \
         incident `0`\n\
         hint: widen the window: `--from`, `--to`, `window.days`\n",
    );
    check(
        "fit good.csv --set columns.distance_unit=m",
        "error: nothing fitted: all 120 rows of `good.csv` were refused, 120 as distance_too_short: such as \
         incident `0`\n\
         hint: check `columns.distance_unit`, `columns.time_unit` and the bounds under `accept`\n",
    );
    desk.write("one.csv", "region,distance_km,travel_time_s\nA,1,300\n");
    check(
        "fit one.csv --set pooling.mode=off",
        "error: nothing fitted: no group of `one.csv` has enough records\n\
         hint: `--model constant` needs the fewest records\n",
    );
    // With pooling one record is better than none.
    let leaning = desk.done("fit one.csv");
    assert!(
        leaning.stdout.contains("1 record: drawn toward the RAND/ISO line"),
        "{}",
        leaning.stdout
    );
    // An import of nothing is none; the log warns.
    let imported = desk.run("import header.csv --log-level warn");
    assert_eq!(imported.code, 0);
    assert!(imported.stderr.contains("`header.csv` has a header and no record"));
}

#[test]
fn a_file_is_imported_once() {
    let desk = Desk::published();
    let said = desk.run("import good.csv");
    assert_eq!((said.code, said.stdout.as_str()), (8, ""));
    let lines: Vec<_> = said.stderr.lines().collect();
    assert!(lines[0].starts_with("error: `good.csv` was imported before, on 20"), "{lines:?}");
    let hint = "hint: to import it with other settings, `speedfit import --undo 1` first; `--again` adds \
                its records once more";
    assert_eq!(lines[1..], [hint]);
    assert_eq!(desk.done("run --dry-run --json").json()["rows"]["read"], 120);
    desk.done("import good.csv --again");
    let said = desk.run("run --dry-run --json");
    assert_eq!((said.code, &said.json()["rows"]["read"]), (7, &240.into()));
    assert!(said.stderr.contains("[repeated_rows] 50 % of the rows"), "{}", said.stderr);
}
