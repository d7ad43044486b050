//! Outputs that cannot be written, and a stdout that does not take any more.

use std::fs;
#[cfg(target_os = "linux")]
use std::fs::OpenOptions;

use super::Desk;

#[test]
fn outputs_are_looked_at_before_the_work() {
    let desk = Desk::published();
    let before = desk.names();
    fs::write(desk.path("p.csv"), "older").unwrap();
    for command in ["fit good.csv", "export"] {
        desk.fails(
            &format!("{command} --output nodir/x.csv"),
            1,
            "error: cannot write `nodir/x.csv`\n\
             caused by: No such file or directory (os error 2)\n\
             hint: make the folder first\n",
        );
        desk.fails(
            &format!("{command} --output p.csv --groups x.xls"),
            2,
            "error: cannot tell the format of `x.xls` from its name\n\
             hint: let the name end in `.csv`, `.json`, `.csv.gz`, `.json.gz` or `.parquet`\n",
        );
    }
    desk.fails(
        "fit good.csv --report nodir/r.html",
        1,
        "error: cannot write `nodir/r.html`\n\
         caused by: No such file or directory (os error 2)\n\
         hint: make the folder first\n",
    );
    assert_eq!(desk.read("p.csv"), "older");
    fs::remove_file(desk.path("p.csv")).unwrap();
    assert_eq!(desk.names(), before);
}

#[test]
fn a_run_whose_results_cannot_be_written_is_published() {
    let desk = Desk::published();
    desk.fails(
        "run --set output.dir=good.csv",
        1,
        "error: cannot write `good.csv`\n\
         caused by: File exists (os error 17)\n\
         hint: the run itself is over: 2 of 2 groups published; check `output.dir`\n",
    );
    assert_eq!(desk.done("status --json").json()["current"]["run_id"], 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_an_error_and_a_closed_one_is_none() {
    let desk = Desk::published();
    for args in [&["fit", "good.csv"][..], &["show", "--json"], &["export"], &["run"]] {
        let mut command = desk.command(args);
        command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let said = Desk::said_by(command);
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (
                1,
                "error: cannot write to stdout\ncaused by: No space left on device (os error 28)\n"
            ),
            "{args:?}"
        );
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = desk.command(args);
        command.stdout(writer);
        let said = Desk::said_by(command);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{args:?}");
    }
}
