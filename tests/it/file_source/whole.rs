//! Files that cannot be read, or that look whole and are not.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use speedfit::adapters::file::{ColumnMap, Field, FileError, FileOptions, sha256_of};
use speedfit::ports::{FailureKind, PortError};
use tempfile::TempDir;

use super::{HEADER, csv, csv_with, file};

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
fn files_that_cannot_be_read_say_why() {
    let folder = TempDir::new().unwrap();
    let rows = format!("{HEADER}\ni,A,2026-01-05T07:30:00Z,1,1.5,60\n");
    let packed = gzip(&rows);
    let utf16: Vec<u8> = "\u{feff}region,".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let unclosed = format!("\"{rows}");
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
}

/// A quotation mark that is not closed costs its own line and no other.
#[test]
fn a_stray_quotation_mark_swallows_no_line() {
    let header = "region,distance_km,travel_time_s,note\n";
    let open = "- | - | - | - | - | - | (line 2: a quotation mark is opened and not closed)\n";
    let late = "- | - | - | - | - | - | (line 2: text follows a closing quotation mark)\n";
    let check = |rows: &str, expected: &str| {
        for (rows, expected) in [
            (rows.to_owned(), expected.to_owned()),
            (rows.replace('\n', "\r\n"), expected.to_owned()),
            (format!("{rows}\nZ,2,90,end\n"), format!("{expected}- | Z | - | - | 2 | 90\n")),
        ] {
            assert_eq!(csv(format!("{header}{rows}")).unwrap(), expected, "{rows:?}");
        }
    };
    let row = |region: &str| format!("- | {region} | - | - | 1 | 60\n");
    // Up to the end, up to one inside another field, and up to one that begins a whole field.
    check("A,1,60,\"open\nB,1,60,x\nC,1,60,x", &[open, &row("B"), &row("C")].concat());
    check("A,1,60,\"open\nB,1,60,x\" y\nC,1,60,x", &[open, &row("B"), &row("C")].concat());
    check("A,1,60,\"open\nB,1,60,x\nC,1,60,\"x\"", &[open, &row("B"), &row("C")].concat());
    // Closed as the grammar has it, around whole records.
    check("A,1,60,\"open\nB,1,60,x\nC,1,60,x\"", &[open, &row("B"), &row("C")].concat());
    check("\"A,1,60,x\nB\",1,60,x\nC,1,60,x", &[open, &row("B\""), &row("C")].concat());
    check("A,1,60,\"x\" y\nB,1,60,x", &[late, &row("B")].concat());
    check("A,1,60,\"5\" hose\"\nB,1,60,x", &[late, &row("B")].concat());
    check("A,1,60,\"x\"\"\nB,1,60,x", &[open, &row("B")].concat());
    // Texts of several lines, with commas, and in the first column.
    check("A,1,60,\"a, b\n1, 2\n\"\"c\"\"\"\nB,1,60,x", &[row("A"), row("B")].concat());
    let text = "\"A\nB, C\",1,60,x\nB,1,60,x";
    assert_eq!(
        csv(format!("{header}{text}")).unwrap(),
        "- | A\nB, C | - | - | 1 | 60\n".to_owned() + &row("B")
    );
}

/// Three thousand records and two quotation marks a thousand lines apart.
#[test]
fn lines_between_two_stray_quotation_marks_are_rows() {
    let mut text = "region,distance_km,travel_time_s,note\n".to_owned();
    for n in 0..3000 {
        let note = if n == 1000 || n == 2000 { "\"half" } else { "x" };
        writeln!(text, "A,1,60,{note}").unwrap();
    }
    let shown = csv(&text).unwrap();
    assert_eq!(shown.lines().count(), 3000);
    assert_eq!(shown.lines().filter(|line| line.contains("quotation mark")).count(), 2);
    // So it is where more is read on than a row may have.
    let shown = csv(text.replace("A,1,60,x", &format!("A,1,60,{}", "x".repeat(5000)))).unwrap();
    assert_eq!(shown.lines().count(), 3000);
}

#[test]
fn line_breaks_of_every_kind() {
    let check = |text: &str, expected: usize| {
        let shown = csv(format!("region,distance_km,travel_time_s,note{text}")).unwrap();
        let good = shown.lines().filter(|line| line.ends_with("| 1 | 60")).count();
        assert_eq!(good, expected, "{text:?}\n{shown}");
    };
    check("\nA,1,60,x\n\nB,1,60,x", 2);
    check("\rA,1,60,x\r\rB,1,60,x", 2);
    check("\r\r\nA,1,60,x\r\r\nB,1,60,x\r\r\n", 2);
    // A CR inside a text is text, unless the row would have too many fields.
    check("\nA,1,60,x\ry\nB,1,60,x", 2);
    check("\nA,1,60,x\rB,1,60,x\nC,1,60,x", 3);
    // A byte-order mark where another file was appended.
    check("\nA,1,60,x\n\u{feff}B,1,60,x", 2);
}

#[test]
fn a_header_in_the_middle_is_refused_or_stops_the_reading() {
    let header = "region,distance_km,travel_time_s\n";
    let shown = csv(format!("{header}A,1,60\n\u{feff}{header}B,1,60\n")).unwrap();
    assert_eq!(
        shown,
        "- | A | - | - | 1 | 60\n\
         - | region | - | - | - | - | (line 3: the header stands here again)\n\
         - | B | - | - | 1 | 60\n"
    );
    let error = csv(format!("{header}A,1,60\nregion,travel_time_s,distance_km\nB,60,1\n"));
    assert!(matches!(error.unwrap_err(), FileError::OtherHeader { line: 3, .. }));
}

#[test]
fn a_header_below_other_lines_is_found() {
    let header = "region,distance_km,travel_time_s\nA,1,60\n";
    let check = |above: &str, expected: &str| {
        let error = csv(format!("{above}{header}")).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.hint().unwrap(), "remove what stands above the header");
    };
    check("sep=,\n", "`x.csv`: line 1 is `sep=,`, and the header is on line 2");
    check("\n# exported\n\n#\n", "`x.csv`: line 2 is `# exported`, and the header is on line 5");
    assert!(matches!(csv("sep=,\nregion,x,y\n").unwrap_err(), FileError::MissingColumns { .. }));
    let blank = csv(format!("{header}{}", "\n".repeat(2 << 20))).unwrap_err();
    assert!(matches!(blank, FileError::RowTooLong { line: 1_048_579, .. }), "{blank}");
    let wide = format!("{}\n", vec!["x"; 10_001].join(","));
    assert!(matches!(csv(wide).unwrap_err(), FileError::TooManyColumns { n_columns: 10_001, .. }));
}

#[test]
fn gzip_may_be_padded_with_zeros_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let rows = format!("{HEADER}\ni,A,2026-01-05T07:30:00Z,1,1.5,60\n");
    let more = "j,B,2026-01-05T07:30:00Z,1,2.5,90\n";
    let read = |bytes: &[u8]| {
        let path = folder.path().join("x.csv.gz");
        fs::write(&path, bytes).unwrap();
        file(&path)
    };
    let (one, both) = (csv(&rows).unwrap(), csv(format!("{rows}{more}")).unwrap());
    let zeros = [0; 70_000];
    assert_eq!(read(&[&gzip(&rows)[..], &zeros[..512]].concat()).unwrap(), one);
    assert_eq!(read(&[&gzip(&rows)[..], &zeros].concat()).unwrap(), one);
    let members = [&gzip(&rows)[..], &zeros[..3], &gzip(more)[..], &zeros[..1]].concat();
    assert_eq!(read(&members).unwrap(), both);
    for garbage in [&b"x"[..], b"\0\0garbage", &[0x1f], &[0x1f, 0x8b, 0, 0]] {
        let error = read(&[&gzip(&rows)[..], garbage].concat()).unwrap_err();
        assert!(matches!(error, FileError::Gzip { .. }), "{garbage:?}: {error}");
    }
}

#[test]
fn a_left_out_column_is_not_read() {
    let mut options = FileOptions::new("x.csv");
    options.columns = ColumnMap::default().with(Field::Weight, "").with(Field::Region, "");
    let text = "region,distance_km,travel_time_s,weight,\nA,1,60,heavy,\n";
    assert_eq!(csv_with(text, &options).unwrap(), "- | A | - | - | 1 | 60\n");
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
