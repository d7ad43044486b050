//! The manual, by the real binary: a page for each command, on which its flags stand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Runs the program in an empty environment and gives its stdout; it must end well.
fn stdout_of(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_speedfit"));
    let output = command.env_clear().args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the help lists: first words of the lines under its heading.
fn commands() -> BTreeSet<String> {
    let help = stdout_of(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.trim().is_empty());
    // A description that is wrapped stands further in.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn pages(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("man1");
    let told = stdout_of(&["man", "--output", folder.to_str().unwrap()]);
    let mut expected: BTreeSet<String> =
        commands().iter().map(|name| format!("speedfit-{name}.1")).collect();
    assert!(expected.contains("speedfit-run.1") && expected.contains("speedfit-man.1"));
    expected.insert("speedfit.1".to_owned());
    assert_eq!(pages(&folder), expected);
    assert!(told.starts_with(&format!("{} pages in ", expected.len())), "{told}");
}

#[test]
fn a_page_tells_the_flags_of_its_command_and_the_global_ones() {
    let folder = tempfile::tempdir().unwrap();
    stdout_of(&["man", "--output", folder.path().to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.path().join("speedfit-run.1")).unwrap();
    assert!(page.contains(".TH speedfit-run 1"), "{page}");
    // In roff a hyphen that is to be a hyphen is escaped.
    for flag in ["\\-\\-dry\\-run", "\\-\\-reason", "\\-\\-set", "\\-\\-log\\-level"] {
        assert!(page.contains(flag), "{flag}: {page}");
    }
}

#[test]
fn without_a_folder_the_page_of_the_program_is_data() {
    let page = stdout_of(&["man"]);
    assert!(page.contains(".TH speedfit 1"), "{page}");
    assert!(page.contains("speedfit\\-show\\-config(1)"), "{page}");
}
