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
